"""The commands `emonet-voice big ...`: one file each beside this one, `big_*.py`."""

from .big_annotate import annotate
from .big_build import build
from .big_generate import generate
from .big_plan import plan
from .big_segment import segment
from .options import make_group

big = make_group("big")
for command in (plan, generate, segment, annotate, build):
    big.command(no_args_is_help=True)(command)


@big.callback()
def about() -> None:
    """Make a corpus like EmoNet-Voice Big: plan, speak, score, caption, check and pack it.

    Example: `emonet-voice big plan --clips 20 --output plan.parquet`

    Example: `emonet-voice big generate plan.parquet spoken/`

    Example: `emonet-voice big annotate spoken/`

    Example: `emonet-voice big build spoken/ packed/`
    """
