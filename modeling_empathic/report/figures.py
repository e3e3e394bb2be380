"""What all pictures of an evaluation share: type size, colours, formats, writing in one step.

Colours are ColorBrewer's PuOr and RdBu, which colour-blind readers tell apart.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..taxonomy import UserError
from .files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORANGE, PURPLE, GREY, DARK = "#eb9a3c", "#5e3c91", "#d9d9d6", "#333333"


@contextmanager
def picture(
    path: str | Path, width_in: float, height_in: float, *, layout: bool = True
) -> Iterator["Figure"]:
    """An empty figure to draw on, written to `path` at the end; the file is whole or not there.

    Args:
        path: PNG or SVG, by its suffix.
        width_in: In inches.
        height_in: In inches.
        layout: Whether matplotlib finds room for labels, which takes seconds over 40 panels.

    Raises:
        UserError: A name that ends in neither .png nor .svg.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".svg"):
        raise UserError(f"{path}: choose a name that ends in .png or .svg")
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "emonet"}):
        figure = Figure(figsize=(width_in, height_in), layout="constrained" if layout else None)
        yield figure
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        with replacing(path) as temporary:
            figure.savefig(
                temporary, dpi=160, metadata=metadata, bbox_inches="tight", pad_inches=0.15
            )


def bare(axes: Any) -> None:
    """Takes frame and tick marks away."""
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def two_digits(value: float) -> str:
    """A statistic as the pictures print it; a minus is as wide as a plus, NaN is NaN.

    Example:
        >>> two_digits(0.4567), two_digits(-0.001), two_digits(-0.21), two_digits(float("nan"))
        ('0.46', '0.00', '−0.21', 'NaN')
    """
    return "NaN" if value != value else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def ink(ground: Any) -> str:
    """Black or white, whichever is read better on a colour: at least 4.5 : 1 (WCAG 2, AA).

    Args:
        ground: A colour as matplotlib has them.

    Example:
        >>> ink("#5e3c91"), ink("#9e9ac8")
        ('white', 'black')
    """
    from matplotlib.colors import to_rgb

    linear = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(ground))
    light = sum(weight * v for weight, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "white" if light < 0.179 else "black"
