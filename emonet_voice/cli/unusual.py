"""What `emonet-voice score --norm` shows: which heads are unusual, against named norms."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from modeling_empathic.norms import Norm, z_against
from modeling_empathic.report.statistics import window_mean
from modeling_empathic.report.tables import Section, plain

MAX_CLIPS = 20
NOT_PUBLIC = (
    "This norm is of the public heads (small, large, plus): this model's scale differs, so compare "
    "clips with each other, and not z with 0."
)
Row = dict[str, Any]


class Unusual:
    """Watches rows of a score file go by, and keeps each clip's mean scores.

    Args:
        norm: What to judge against.
        names: Heads of the model.
        comparable: Whether the norm is of this very model, or of heads such as it has.
    """

    def __init__(self, norm: Norm, names: Sequence[str], comparable: bool = True) -> None:
        self._norm = norm
        self._note = norm.note if comparable else f"{NOT_PUBLIC} {norm.note}"
        self._names = [name for name in names if name in norm.centre]
        self._clips: dict[str, list[tuple[float, list[float]]]] = {}

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows."""
        for row in rows:
            if row["outcome"] == "scored":
                values = [row[name] for name in self._names]
                windows = self._clips.setdefault(str(row["path"]), [])
                windows.append((row["end_s"] - row["start_s"], values))
            yield row

    def section(self, top: int = 3) -> Section:
        """Of few clips the most unusual heads of each, of many each head's mean distance."""
        z = {
            path: self._z([values for _, values in windows], [s for s, _ in windows])
            for path, windows in self._clips.items()
        }
        if len(z) <= MAX_CLIPS:
            rows = [
                [path, ", ".join(f"{name} {value:+.1f}" for name, value in _first(of, top))]
                for path, of in z.items()
            ]
            headers, text_last = ("Clip", "Most unusual, z"), 1
        else:
            mean = {name: sum(of[name] for of in z.values()) / len(z) for name in self._names}
            rows = [[name, f"{value:+.2f}"] for name, value in _first(mean, len(mean))]
            headers, text_last = ("Head", "mean z"), 0
        table = plain(f"Against {self._norm.title}", headers, rows, self._note)
        return table._replace(text_last=text_last)

    def _z(self, values: list[list[float]], lengths_s: list[float]) -> dict[str, float]:
        means = window_mean(values, lengths_s)
        return z_against(dict(zip(self._names, means.tolist(), strict=True)), self._norm)


def is_public(*names: str) -> bool:
    """Whether one of a model's names is that of a public one.

    Example:
        >>> is_public("laion/Empathic-Insight-Voice-Small"), is_public("models/nano")
        (True, False)
    """
    return any("Empathic-Insight-Voice-" in name for name in names)


def _first(z: dict[str, float], n: int) -> list[tuple[str, float]]:
    known = [(name, value) for name, value in z.items() if value == value]
    return sorted(known, key=lambda item: -item[1])[:n]
