"""Where recordings go once they are scored: screen, JSON, timelines, report; all or some."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from rich.console import Console

from modeling_empathic.reference_scores import Reference
from modeling_empathic.scoring.choice import chosen, conditions, head_number
from modeling_empathic.scoring.file import json_line
from modeling_empathic.scoring.names import relative
from modeling_empathic.scoring.overview import Overview
from modeling_empathic.scoring.recordings import HeadSpec, Recording, recordings
from modeling_empathic.taxonomy import UserError

from .report_page import ReportPage
from .screen import MAX_CLIPS, Summary


class Views:
    """All that is shown of one run.

    Args:
        loaded: The model.
        model: Its name.
        n_clips: How many there are to be: of few nothing is compared with the reference clips.
        sort: Emotion that orders what is shown.
        filters: Conditions that it fulfils.
        report: Page to write.
        timeline: Folder for the timeline of each recording.
        as_json: Whether rows are printed.
        top: Emotions in a subtitle and on the screen.
        aggregate: What one row says of all windows of a clip, if it does.

    Raises:
        UserError: An emotion that the model does not have, or a condition that is none.
    """

    def __init__(
        self,
        loaded: Any,
        model: str,
        n_clips: int,
        *,
        sort: str | None,
        filters: Sequence[str],
        report: Path | None,
        timeline: Path | None,
        as_json: bool,
        top: int,
        aggregate: str | None = None,
    ):
        heads: Sequence[HeadSpec] = loaded.config.heads
        self._heads, self._model, self._top, self._as_json = heads, model, top, as_json
        self._filters = [part for text in filters for part in conditions(text, heads)]
        self._sort = head_number(sort, heads, "sort") if sort is not None else None
        compared = n_clips > MAX_CLIPS or sort is not None or report is not None
        overview = Overview(heads, reference_of(loaded) if compared else None)
        self.summary = Summary(
            overview, self._sort, " and ".join(map(str, self._filters)), aggregate
        )
        self._timeline, self._stems = timeline, set[str]()
        self._report = report

    def take(self, rows: Iterable[dict[str, Any]], names: Iterable[str], start: str) -> None:
        """Shows rows of a score file as they come; those of a clip in succession.

        Args:
            rows: Of the score file.
            names: Of all clips, as the rows have them.
            start: The folder from which they start.
        """
        page, self._start = None, start
        # Timelines lie as the clips do, below the folder that all have in common.
        folders = {os.path.dirname(os.path.abspath(Path(start, name))) for name in names}  # noqa: PTH100, PTH120
        self._common = os.path.commonpath(folders) if self._timeline else ""
        if self._report:
            page = ReportPage(
                self._report, self.summary.overview, start, self._model, self._sort,
                self.summary.aggregate,
            )  # fmt: skip
        counted = self._counted(recordings(rows, self._heads))
        for recording in chosen(counted, self._filters, self._sort):
            self.summary.add(recording)
            if self._as_json:
                sys.stdout.writelines(json_line(row) + "\n" for row in recording.rows)
            if self._timeline and recording.error is None:
                self._write_timeline(recording, self._timeline)
            if page:
                page.add(recording)
        self._kept = page.write() if page else ""

    def said(self) -> list[str]:
        """What was written beside the score file, a line each."""
        n, lines = len(self._stems), []
        if self._timeline:
            lines.append(
                f"Timelines of {n:,} recording{'s' * (n != 1)} in {self._timeline}: picture "
                "(.png), subtitles (.vtt), labels for Audacity (.txt); from 0 to 10"
            )
        if self._report:
            lines.append(f"Report: {self._report}. {self._kept}")
        return lines

    def show(self, console: Console) -> None:
        """Prints the table."""
        self.summary.show(console, top=self._top)

    def _counted(self, every: Iterable[Recording]) -> Iterable[Recording]:
        for recording in every:
            self.summary.count(recording)
            yield recording

    def _write_timeline(self, recording: Recording, folder: Path) -> None:
        from modeling_empathic.scoring.timeline_files import write_timeline

        path = Path(os.path.abspath(Path(self._start, recording.path)))  # noqa: PTH100
        channel = "" if recording.channel is None else f".channel{recording.channel}"
        if recording.speaker is not None:  # a name of somebody's; it may hold anything
            channel = "." + re.sub(r"[^\w-]", "_", recording.speaker)[:80]
        below = Path(relative(str(path), self._common))
        # a.wav beside a.mp3; two speakers whose names are one in what file names can hold
        long = str(below) + channel
        names = chain(
            [f"{below.with_suffix('')}{channel}", long], (f"{long}.{n}" for n in count(2))
        )
        stem = next(name for name in names if name not in self._stems)
        self._stems.add(stem)
        write_timeline(recording, folder / stem, self._model, self._top)


def check_timeline(folder: Path) -> None:
    """Refuses a folder that could not be, and says what pictures need, before any work is done.

    Raises:
        UserError: A file is in its place, or matplotlib is not installed.
    """
    from importlib.util import find_spec

    if folder.exists() and not folder.is_dir():
        raise UserError(f"timeline {folder} is a file; choose a folder")
    if find_spec("matplotlib") is None:
        raise UserError('pictures need matplotlib: pip install "emonet-voice[plot]"')


def reference_of(loaded: Any) -> Reference | None:
    """The scores of reference clips that came with a model; None where there are none to be had."""
    from modeling_empathic.reference_scores import read_reference

    source = getattr(loaded.config, "_name_or_path", "")
    try:
        return read_reference(source, getattr(loaded, "commit", None)) if source else None
    except (UserError, OSError):  # not readable, or the Hub not reachable: nothing to compare with
        return None
