"""The commands `emonet-voice train encoder` and `train heads`: one file each beside this one."""

from .options import make_group
from .train_encoder import encoder
from .train_heads import heads

train = make_group("train")
for command in (encoder, heads):
    train.command(no_args_is_help=True)(command)


@train.callback()
def about() -> None:
    """Train the paper's two stages on your own data (section 3.4).

    Example: `emonet-voice train heads --data clips/ --new-head Sarcasm --output mine/`
    """
