"""How a recording becomes rows: windows, channels, turns, silence left out, and one row of many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modeling_empathic.audio import MIN_TAIL_S, windows
from modeling_empathic.taxonomy import UserError

from .aggregates import check_aggregate
from .turns import AnyPath, Turn, Turns

MIN_WINDOW_S = 1.0
"""Less than a second of speech says little to anybody."""
LONGEST_S = 30.0
"""What a Whisper reads at once."""
SEPARATE = "separate"


@dataclass(frozen=True)
class Cuts:
    """What gives a row of its own.

    Windows start at 0 and every hop after it. The last one holds what remains; a remainder of less
    than a second is left out, unless there is nothing else (`audio.windows`). Every window lies
    within the recording, and they come in order of time.

    Attributes:
        window_s: Length of a window in seconds; None for as much as the model reads (30 s).
        hop_s: From one start to the next in seconds; None for no overlap.
        separate: Whether each channel is scored by itself; else their mean is.
        turns: Who speaks when: each turn is cut as a recording of its own.
        only_clip: Whether there is one clip, to which the only recording in `turns` belongs.
        vad: Whether windows without speech get no score (`vad.speech_s`).
        aggregate: What one row says of all windows (`aggregates`); None for a row a window.

    Example:
        >>> Cuts(10, 5).spans(320_000, longest_s=30)[1]
        slice(80000, 240000, None)
    """

    window_s: float | None = None
    hop_s: float | None = None
    separate: bool = False
    turns: Turns | None = None
    only_clip: bool = False
    vad: bool = False
    aggregate: str | None = None

    def check(self, longest_s: float = LONGEST_S) -> None:
        """Refuses what cannot be: of any Whisper before a model is there, then of that one.

        Args:
            longest_s: What the model reads at once, in seconds.

        Raises:
            UserError: A window outside 1 s and `longest_s`, a hop that is none or leaves gaps,
                channels beside speakers, or an unknown aggregate.
        """
        window_s, hop_s = self.lengths(longest_s)
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
        if self.separate and self.turns:
            raise UserError("separate channels and speakers: choose one, either says who speaks")
        if self.aggregate is not None:
            check_aggregate(self.aggregate)

    def spans(self, n_samples: int, longest_s: float) -> list[slice]:
        """The windows of a recording at 16 kHz, in order of time; see `audio.windows`."""
        return windows(n_samples, *self.lengths(longest_s))

    def turns_of(self, path: AnyPath) -> Sequence[Turn] | None:
        """The turns of a clip; None where nobody asks who speaks.

        Raises:
            AudioError: There are turns, and none of this clip.
        """
        return None if self.turns is None else self.turns.of(path, self.only_clip)

    def provenance(self, longest_s: float) -> dict[str, Any]:
        """What the score file says of it; nothing of what is as always."""
        window_s, hop_s = self.lengths(longest_s)
        lengths = {"window_s": window_s, "hop_s": hop_s, "min_tail_s": MIN_TAIL_S}
        said: dict[str, Any] = {"windows": lengths}
        if self.separate:
            said["channels"] = SEPARATE
        if self.turns:
            said["speakers"] = f"sha256:{self.turns.sha256}"
        if self.vad:
            from .vad import described

            said["vad"] = described()
        if self.aggregate is not None:
            said["aggregate"] = self.aggregate
        return said

    def columns(self, channel: int | None = None, speaker: str | None = None) -> dict[str, Any]:
        """The part of a row that says who speaks; empty where nobody asks."""
        found: dict[str, Any] = {"channel": channel} if self.separate else {}
        return found | ({"speaker": speaker} if self.turns else {})

    def lengths(self, longest_s: float) -> tuple[float, float]:
        """Window and hop in seconds."""
        window_s = longest_s if self.window_s is None else float(self.window_s)
        return window_s, window_s if self.hop_s is None else float(self.hop_s)
