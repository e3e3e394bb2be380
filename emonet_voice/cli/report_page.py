"""The report of `score`: one HTML page with everything in it, for a browser without a network."""

import base64
import html
import json
import os
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import numpy as np

from modeling_empathic.reference_scores import percentiles
from modeling_empathic.report.files import replacing
from modeling_empathic.report.tables import printable
from modeling_empathic.scoring.aggregates import in_words
from modeling_empathic.scoring.overview import Moment, Overview, usual
from modeling_empathic.scoring.recordings import Recording, emotions_of
from modeling_empathic.taxonomy import UserError

from .screen_text import clock

EMBED_BYTES = 8 * 2**20
"""Clips that are no more than this together lie in the page itself; others are linked."""
_MIME = {
    ".wav": "audio/wav", ".wave": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac",
    ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4",
    ".mp4": "audio/mp4", ".aac": "audio/aac", ".webm": "audio/webm",
}  # fmt: skip


def check_report(path: Path) -> None:
    """Refuses a page that could not be written, before any work is done.

    Raises:
        UserError: Another suffix, a folder, or a folder above that does not exist.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"report {path}: choose a name that ends in .html")
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise UserError(f"report {path}: {what}")


class ReportPage:
    """Takes recordings and writes them as a page.

    Args:
        path: The page.
        overview: Of the same recordings; has the model's heads and reference.
        start: The folder from which the clips' names start.
        model: Name of the model.
        sort: Number of the head by which the page is sorted when it opens.
        aggregate: What one row says of all windows of a clip, if it does.
    """

    def __init__(
        self,
        path: Path,
        overview: Overview,
        start: str,
        model: str,
        sort: int | None = None,
        aggregate: str | None = None,
    ):
        self.path, self.overview, self.start, self.model = path, overview, start, model
        self.sort, self.aggregate = sort, aggregate
        self._clips: list[dict[str, Any]] = []
        self._numbers: dict[str, int] = {}  # of a recording, by its name
        self._audio_s, self._windows = 0.0, ""

    def add(self, recording: Recording) -> None:
        """Takes one recording, scored or not."""
        self._numbers[recording.name] = len(self._clips)
        clip: dict[str, Any] = {"name": printable(recording.name), "path": recording.path}
        if recording.error is not None:
            self._clips.append(
                clip | {"error": printable(recording.error), "duration": 0, "quality": []}
            )
            return
        clip |= {
            "duration": round(recording.duration_s, 3),
            "quality": list(recording.quality),
            "spans": np.round(recording.spans_s, 3).tolist(),
            "mean": _thousandths(recording.mean),
            "scores": _thousandths(recording.windows),
        }
        if self.overview.reference is not None:
            highest = recording.native.max(axis=0)
            names = [head["name"] for head in recording.heads]
            ranks = percentiles(dict(zip(names, highest, strict=True)), self.overview.reference)
            clip["ranks"] = [round(float(ranks[name])) for name in names]
        self._clips.append(clip)
        self._audio_s += recording.duration_s

    def write(self) -> str:
        """Writes the page in one step; returns how its sound is kept, in words."""
        files = {clip["path"]: Path(self.start, clip["path"]) for clip in self._clips}
        # What is no sound is not shown: it may be a link to a secret of who makes the page.
        heard = {clip["path"] for clip in self._clips if "error" not in clip}
        there = [file for path, file in files.items() if path in heard and file.is_file()]
        embedded = sum(file.stat().st_size for file in there) <= EMBED_BYTES
        sources = [
            self._source(file, embedded) if path in heard else "" for path, file in files.items()
        ]
        numbers = {path: number for number, path in enumerate(files)}  # channels share a file
        for clip in self._clips:
            clip["source"] = numbers[clip["path"]]
        kept = (
            "The sound is in this page."
            if embedded
            else "The sound is linked: keep the page where it is, or move it with the clips."
        )
        names = [head["name"] for head in self.overview.heads]
        emotions = len(emotions_of(self.overview.heads))
        n_clips = len(sources)
        values = {
            "title": f"{n_clips:,} clip{'s' * (n_clips != 1)}, {emotions} emotions",
            "made": f"{clock(self._audio_s)} of sound, scored by {self.model}.",
            "audio": kept,
            "css": _part("page.css"),
            "js": _part("page.js"),
            "data": _in_script(self._data(names) | {"sources": sources}),
        }
        for key in ("title", "made", "audio"):
            values[key] = html.escape(values[key])
        text = Template(_part("page.html")).substitute(values)
        with replacing(self.path) as temporary:
            temporary.write_text(text, "utf-8")
        return kept

    def _data(self, names: list[str]) -> dict[str, Any]:
        reference = self.overview.reference
        heads = []
        for head in self.overview.heads:
            value = usual(head, reference)
            heads.append({"name": head["name"], "usual": value and round(1000 * value)})
        emotions = []
        for row in self.overview.rows():
            number = names.index(row.name)
            best = [self._best(moment, number) for moment in row.strongest]
            emotions.append({"head": number, "mean": round(1000 * row.mean), "best": best})
        return {
            "heads": heads,
            "emotions": emotions,
            "clips": self._clips,
            "reference": reference and reference.n_clips,
            "sort": self.sort,
            "rule": in_words(self.aggregate),
            "aggregated": self.aggregate is not None,
        }

    def _best(self, moment: Moment, head: int) -> dict[str, Any]:
        number = self._numbers[moment.name]
        scores = [window[head] for window in self._clips[number]["scores"]]
        return {
            "clip": number,
            "window": scores.index(max(scores)),
            "value": max(scores),
            "rank": None if moment.percentile is None else round(moment.percentile),
        }

    def _source(self, file: Path, embedded: bool) -> str:
        if embedded:
            try:
                sound = base64.b64encode(file.read_bytes()).decode()
            except OSError:  # gone since it was scored: its scores are there all the same
                return ""
            return (
                f"data:{_MIME.get(file.suffix.lower(), 'application/octet-stream')};base64,{sound}"
            )
        try:
            way = os.path.relpath(os.path.realpath(file), os.path.realpath(self.path.parent))
        except ValueError:  # on another drive
            return file.absolute().as_uri()
        return quote(way.replace(os.sep, "/"), errors="surrogateescape")


def _thousandths(scores: np.ndarray) -> list[Any]:
    rounded: list[Any] = np.rint(1000 * scores).astype(int).tolist()
    return rounded


def _part(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text("utf-8")


def _in_script(value: Any) -> str:
    """JSON that cannot end the script it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
