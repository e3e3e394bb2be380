"""The commands `emonet-voice big ...`: one file each beside this one, `big_*.py`."""

from .options import make_group

big = make_group("big")
for command in ():
    big.command(no_args_is_help=True)(command)


@big.callback()
def about() -> None:
    """Make a corpus like EmoNet-Voice Big: plan, speak, score, caption, check and pack it."""
