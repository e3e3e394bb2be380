"""What the terminal shows of scored clips: the strongest emotions of each, and when."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from modeling_empathic.scoring.aggregates import in_words
from modeling_empathic.scoring.overview import Overview
from modeling_empathic.scoring.recordings import HeadSpec, Recording, emotions_of, time_of

from .screen_folder import show_overview, show_sorted
from .screen_text import bar, clock, shortened

MAX_CLIPS = 20
MAX_FAILURES = 10


@dataclass
class Summary:
    """Counts clips as they come and keeps only the few that are shown.

    Attributes:
        overview: Of the clips that are shown, or would be if they were fewer; has the model's
            heads.
        sort: Number of the head that orders them, if any does.
        filters: What they have in common, in words.
        aggregate: What one row says of all windows of a clip; None where each has its own.
    """

    overview: Overview
    sort: int | None = None
    filters: str = ""
    aggregate: str | None = None
    n_clips: int = 0
    n_failed: int = 0
    n_doubtful: int = 0
    audio_s: float = 0.0
    clips: list[Recording] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    _last: str | None = None

    def count(self, recording: Recording) -> None:
        """Counts one recording, whether it is shown or not; channels of a clip in succession."""
        if recording.path != self._last:
            self.n_clips += 1
            self.audio_s += recording.duration_s
        self._last = recording.path
        if recording.error is not None:
            self.n_failed += 1
            if len(self.failures) < MAX_FAILURES:
                self.failures.append((recording.name, recording.error))
        self.n_doubtful += bool(recording.quality)

    def add(self, recording: Recording) -> None:
        """Takes one recording for the screen."""
        self.overview.add(recording)
        if recording.error is None and len(self.clips) < MAX_CLIPS:
            self.clips.append(recording)

    def show(self, console: Console, *, top: int) -> None:
        """Prints the clips with their `top` emotions, or the folder as a whole; then failures."""
        heads = self.overview.heads
        if self.filters:
            found = f"{self.overview.n_scored:,} of {self.n_clips:,} clips have {self.filters}"
            console.print(f"\n{found} (strongest window, 0 to 10)", style="dim", markup=False)
        if self.sort is not None:
            show_sorted(console, self.clips, heads[self.sort], self.sort, self.overview)
        elif self.overview.n_scored > MAX_CLIPS:
            show_overview(console, self.overview)
        elif self.clips:
            self._show_clips(console, top)
        for path, error in self.failures:
            console.print(Text.assemble(("✗ ", "red"), path, (f": {error}", "red")))
        if self.n_failed > len(self.failures):
            hidden = self.n_failed - len(self.failures)
            console.print(f"  … and {hidden:,} more that failed", style="dim")
        if self.failures:
            console.print()

    def _show_clips(self, console: Console, top: int) -> None:
        heads = self.overview.heads
        shown = emotions_of(heads)
        kind = "emotions" if heads[shown[0]]["group"] == "emotion" else "heads"
        blocks = [(clip, strongest(clip, shown, top)) for clip in self.clips]
        # Only the names on the screen count. One of the 40 has 44 characters, all others at most
        # 27: where there is no room beside a full bar it wraps, or it would squeeze every bar.
        peaks = 19 * any(len(clip.rows) > 1 for clip in self.clips)
        room = console.width - peaks
        longest = max(len(name) for _, ranked in blocks for name, _, _ in ranked)
        name_width = min(longest, max(28, room - 50), max(12, room - 18))
        bar_width = max(6, min(40, room - name_width - 10))
        rule = f", by {in_words(self.aggregate)}" if peaks or self.aggregate else ""
        console.print(f"\nStrongest {kind} of each clip, from 0 to 10{rule}\n", style="dim")
        for clip, ranked in blocks:
            console.print(_heading(clip, console.width))
            grid = Table.grid(padding=(0, 1))
            grid.add_column(width=name_width, overflow="fold")
            grid.add_column(width=bar_width, no_wrap=True)
            grid.add_column(width=4, justify="right")
            grid.add_column(style="dim", no_wrap=True)
            for name, value, peak in ranked:
                grid.add_row(name, Text(bar(value, bar_width), "cyan"), f"{value:.1f}", peak)
            console.print(Padding(grid, (0, 0, 0, 2), expand=False))
            if len(clip.rows) > 1:
                console.print(Padding(_outburst(clip, shown), (0, 0, 0, 2)))
            console.print()
        if len(shown) > 1:
            console.print(
                f"{kind.capitalize()} differ in base rate: compare one across clips before "
                "ranking them against each other.\n",
                style="dim",
            )


def strongest(clip: Recording, among: Sequence[int], top: int) -> list[tuple[str, float, str]]:
    """The `top` heads of a clip: name, mean from 0 to 10, and its peak where there are windows."""
    order = sorted(among, key=lambda head: -clip.mean[head])[:top]
    return [(clip.heads[i]["name"], float(clip.mean[i]), _peak(clip, i)) for i in order]


def _peak(clip: Recording, head: int) -> str:
    if len(clip.rows) == 1:
        return ""
    return f"up to {clip.peak[head]:.1f} at {time_of(clip.spans_s[clip.peak_at[head], 0])}"


def _outburst(clip: Recording, among: Sequence[int]) -> Text:
    """What the mean would hide: where one emotion rises most above it."""
    head, window = clip.outburst(among)
    start_s, end_s = clip.spans_s[window]
    return Text.assemble(
        ("Rises most: ", "dim"),
        (f"{clip.heads[head]['name']} {clip.windows[window, head]:.1f}", "bold"),
        f" at {time_of(start_s)}–{time_of(end_s)}",
        (f", on the whole {clip.mean[head]:.1f}", "dim"),
    )


def _heading(clip: Recording, width: int) -> Text:
    detail = clock(clip.duration_s)
    if clip.speaker is not None:
        detail = f"{clock(clip.covered_s)} of {detail}"
    if len(clip.rows) > 1:
        detail += f", mean of {len(clip.rows)} windows"
    doubt = f"  {', '.join(clip.quality)}" if clip.quality else ""
    room = max(12, width - len(detail) - len(doubt) - 2)
    return Text.assemble(
        (shortened(clip.name, room), "bold"), "  ", (detail, "dim"), (doubt, "yellow")
    )


def summary_line(summary: Summary, *, n_new: int, elapsed_s: float, written: str | None) -> str:
    """Clips, audio, speed, failures, and where the scores went, on which scale."""
    parts = [
        f"{summary.n_clips:,} clip{'s' * (summary.n_clips != 1)}",
        f"{clock(summary.audio_s)} of audio",
    ]
    if n_new:
        rate = n_new / max(elapsed_s, 1e-6)
        parts.append(f"{rate:.1f} clips/s" if rate >= 0.1 else f"{1 / rate:.0f} s a clip")
    if n_new < summary.n_clips:
        parts.append(f"{summary.n_clips - n_new:,} scored before")
    parts.append(f"{summary.n_failed:,} failed" if summary.n_failed else "none failed")
    if summary.n_doubtful:
        parts.append(f"{summary.n_doubtful:,} doubtful (column quality)")
    where = f". Written to {written}, {file_scale(summary.overview.heads)}" if written else ""
    return ", ".join(parts) + where


def file_scale(heads: Sequence[HeadSpec]) -> str:
    """The scale of scores in files and rows, in words.

    Example:
        >>> file_scale([{"name": "Awe", "scale": [0.0, 4.0], "group": "emotion"}])
        'scores from 0 to 4'
    """
    scales = {"{:g} to {:g}".format(*heads[i]["scale"]) for i in emotions_of(heads)}
    if len(scales) > 1:
        return "each score on its head's own scale"
    every = {tuple(head["scale"]) for head in heads}
    which = "scores" if len(every) == 1 else "emotions"
    return f"{which} from {scales.pop()}"
