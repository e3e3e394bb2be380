"""The command `emonet-voice train`: a group, one file beside this one for each of its commands."""

from .options import make_group
from .train_heads import heads

train = make_group("train", help="Train heads on a frozen encoder.")
train.command(no_args_is_help=True)(heads)


@train.callback()
def _train() -> None:
    """Train heads on a frozen encoder, on your own labels or on a data set."""
