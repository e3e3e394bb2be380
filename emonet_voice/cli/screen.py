"""What the terminal shows of scored clips: the strongest emotions of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from modeling_empathic.report.statistics import window_mean
from modeling_empathic.taxonomy import to_0_10

MAX_CLIPS = 20
MAX_FAILURES = 10
BLOCKS = " ▏▎▍▌▋▊▉█"


@dataclass
class ClipView:
    """One clip as the table shows it: scores are means over windows, weighted by their length."""

    path: str
    duration_s: float
    n_windows: int
    scores: dict[str, float]
    quality: str = ""


@dataclass
class Summary:
    """Counts clips as they come and keeps only the few that are shown.

    Attributes:
        heads: Head specs of the model (`name`, `scale`, `group`), in order.
    """

    heads: Sequence[dict[str, Any]]
    n_clips: int = 0
    n_failed: int = 0
    n_doubtful: int = 0
    audio_s: float = 0.0
    clips: list[ClipView] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add_rows(self, rows: Iterable[dict[str, Any]]) -> None:
        """Counts clips given as rows of the score file, those of one clip in succession."""
        for path, clip_rows in groupby(rows, key=lambda row: row["path"]):
            self.add_clip(path, list(clip_rows))

    def add_clip(self, path: str, rows: list[dict[str, Any]]) -> None:
        """Counts one clip."""
        self.n_clips += 1
        if rows[0]["outcome"] != "scored":
            self.n_failed += 1
            if len(self.failures) < MAX_FAILURES:
                self.failures.append((path, rows[0]["error"] or rows[0]["outcome"]))
            return
        self.audio_s += rows[0]["duration_s"]
        quality = ", ".join(dict.fromkeys(row["quality"] for row in rows if row.get("quality")))
        self.n_doubtful += bool(quality)
        if len(self.clips) < MAX_CLIPS:
            names = [head["name"] for head in self.heads]
            means = window_mean(
                [[row[name] for name in names] for row in rows],
                [row["end_s"] - row["start_s"] for row in rows],
            )
            scores = dict(zip(names, means.tolist(), strict=True))
            view = ClipView(path, rows[0]["duration_s"], len(rows), scores, quality)
            self.clips.append(view)

    def show(self, console: Console, *, top: int) -> None:
        """Prints the clips with their `top` emotions, and the clips that failed."""
        emotions = [head for head in self.heads if head["group"] == "emotion"]
        blocks = [
            (clip, strongest(clip.scores, emotions or self.heads, top)) for clip in self.clips
        ]
        # Only the names on the screen count. One of the 40 has 44 characters, all others at most
        # 27: where there is no room beside a full bar it wraps, or it would squeeze every bar.
        longest = max((len(name) for _, ranked in blocks for name, _ in ranked), default=0)
        name_width = min(longest, max(28, console.width - 50), max(12, console.width - 18))
        bar_width = max(8, min(40, console.width - name_width - 10))
        kind = "emotions" if emotions else "heads"
        if blocks:
            console.print(f"\nStrongest {kind} of each clip, from 0 to 10\n", style="dim")
        for clip, ranked in blocks:
            console.print(self._heading(clip, console.width))
            grid = Table.grid(padding=(0, 1))
            grid.add_column(width=name_width, overflow="fold")
            grid.add_column(width=bar_width, no_wrap=True)
            grid.add_column(width=4, justify="right")
            for name, value in ranked:
                grid.add_row(name, Text(bar(value, bar_width), "cyan"), f"{value:.1f}")
            console.print(Padding(grid, (0, 0, 0, 2), expand=False))
            console.print()
        more = self.n_clips - self.n_failed - len(self.clips)
        if more:
            console.print(f"… and {more:,} more\n", style="dim")
        if len(emotions or self.heads) > 1 and blocks:
            console.print(
                f"{kind.capitalize()} differ in base rate: compare one across clips before "
                "ranking them against each other.\n",
                style="dim",
            )
        for path, error in self.failures:
            console.print(Text.assemble(("✗ ", "red"), path, (f": {error}", "red")))
        if self.n_failed > len(self.failures):
            hidden = self.n_failed - len(self.failures)
            console.print(f"  … and {hidden:,} more that failed", style="dim")
        if self.failures:
            console.print()

    def _heading(self, clip: ClipView, width: int) -> Text:
        detail = clock(clip.duration_s)
        if clip.n_windows > 1:
            detail += f", mean of {clip.n_windows} windows"
        doubt = f"  {clip.quality}" if clip.quality else ""
        room = max(12, width - len(detail) - len(doubt) - 2)
        # The end of a path tells clips apart; its beginning is what they share.
        path = clip.path if len(clip.path) <= room else "…" + clip.path[1 - room :]
        return Text.assemble((path, "bold"), "  ", (detail, "dim"), (doubt, "yellow"))


def strongest(
    scores: dict[str, float], heads: Sequence[dict[str, Any]], top: int
) -> list[tuple[str, float]]:
    """The `top` heads of a clip with their scores from 0 to 10, strongest first."""
    values = [(head["name"], to_0_10(scores[head["name"]], head["scale"])) for head in heads]
    return sorted(values, key=lambda pair: -pair[1])[:top]


def bar(value: float, width: int) -> str:
    """A bar for 0 to 10, exact to an eighth of a character.

    Example:
        >>> bar(5.0, 4)
        '██  '
    """
    eighths = round(value / 10 * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (BLOCKS[rest] if rest else "")).ljust(width)


def clock(seconds: float) -> str:
    """A duration as people write it.

    Example:
        >>> clock(4.21), clock(75), clock(7384)
        ('4.2 s', '1:15 min', '2:03:04 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02} h" if hours else f"{minute}:{second:02} min"


def summary_line(summary: Summary, *, n_new: int, elapsed_s: float, written: str | None) -> str:
    """Clips, audio, speed, failures, and where the scores went."""
    parts = [
        f"{summary.n_clips:,} clip{'s' * (summary.n_clips != 1)}",
        f"{clock(summary.audio_s)} of audio",
    ]
    if n_new:
        parts.append(f"{n_new / max(elapsed_s, 1e-6):.1f} clips/s")
    if n_new < summary.n_clips:
        parts.append(f"{summary.n_clips - n_new:,} scored before")
    parts.append(f"{summary.n_failed:,} failed" if summary.n_failed else "none failed")
    if summary.n_doubtful:
        parts.append(f"{summary.n_doubtful:,} doubtful (column quality)")
    return ", ".join(parts) + (f". Written to {written}" if written else "")
