"""The commands `emonet-voice train encoder` and what else trains: one file each beside this one."""

from .options import make_group
from .train_encoder import encoder

train = make_group("train")
for command in (encoder,):
    train.command(no_args_is_help=True)(command)


@train.callback()
def about() -> None:
    """Train the paper's two stages on your own data (section 3.4)."""
