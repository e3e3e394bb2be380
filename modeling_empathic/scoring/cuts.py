"""How a recording is cut into what is scored: windows, and channels that are kept apart."""

import math
from dataclasses import dataclass
from typing import Any

from modeling_empathic.audio import MIN_TAIL_S, windows
from modeling_empathic.taxonomy import UserError

MIN_WINDOW_S = 1.0
"""Less than a second of speech says little to anybody."""
SEPARATE = "separate"


@dataclass(frozen=True)
class Cuts:
    """What gives a row of its own.

    Attributes:
        window_s: Length of a window in seconds; None for as much as the model reads (30 s).
        hop_s: From one start to the next in seconds; None for no overlap.
        separate: Whether each channel is scored by itself; else their mean is.

    Example:
        >>> Cuts(10, 5).spans(320_000, longest_s=30)[1]
        slice(80000, 240000, None)
    """

    window_s: float | None = None
    hop_s: float | None = None
    separate: bool = False

    def check(self, longest_s: float) -> None:
        """Refuses lengths that cannot be.

        Args:
            longest_s: What the model reads at once, in seconds.

        Raises:
            UserError: A window outside 1 s and `longest_s`, or a hop that is none or leaves gaps.
        """
        window_s, hop_s = self._lengths(longest_s)
        if not MIN_WINDOW_S <= window_s <= longest_s:
            raise UserError(
                f"window {window_s:g} s: choose {MIN_WINDOW_S:g} to {longest_s:g} s, which is all "
                "that the model reads at once"
            )
        if not (math.isfinite(hop_s) and 0.1 <= hop_s <= window_s):
            raise UserError(
                f"hop {hop_s:g} s: choose 0.1 to {window_s:g} s, the window (a longer one would "
                "leave gaps)"
            )

    def spans(self, n_samples: int, longest_s: float) -> list[slice]:
        """The windows of a recording at 16 kHz, in order of time; see `audio.windows`."""
        window_s, hop_s = self._lengths(longest_s)
        return windows(n_samples, window_s, hop_s)

    def provenance(self, longest_s: float) -> dict[str, Any]:
        """What the score file says of it; nothing of channels where they are mixed, as always."""
        window_s, hop_s = self._lengths(longest_s)
        lengths = {"window_s": window_s, "hop_s": hop_s, "min_tail_s": MIN_TAIL_S}
        return {"windows": lengths} | ({"channels": SEPARATE} if self.separate else {})

    def column(self, channel: int | None) -> dict[str, int | None]:
        """The part of a row that names its channel, counted from 1; empty where they are mixed."""
        return {"channel": channel} if self.separate else {}

    def _lengths(self, longest_s: float) -> tuple[float, float]:
        window_s = longest_s if self.window_s is None else float(self.window_s)
        return window_s, window_s if self.hop_s is None else float(self.hop_s)
