"""Answers on disk, one file a clip, so that none is asked for, or paid for, twice.

The folder's name holds a hash of the settings (model, prompt, emotions, ...): other settings have
other answers. Only answers are kept: a clip whose request failed is asked about again.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from modeling_empathic.report.files import replacing

from .replies import Reply


class Answer(NamedTuple):
    """A reply that is kept.

    Attributes:
        reply: What the system said.
        time: When it came (ISO 8601, UTC).
        seconds: From the request to it; None of answers kept by an earlier version.
    """

    reply: Reply
    time: str
    seconds: float | None = None


class Cache:
    """The answers of one system with one set of settings.

    Args:
        folder: Made where it is missing; several systems can share it.
        settings: Everything that an answer depends on, as plain values.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        self.folder = folder / f"{settings['system']}-{digest[:16]}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, clip_id: str) -> Answer | None:
        """The answer about a clip, None where there is none."""
        try:
            kept = json.loads(self._path(clip_id).read_bytes())
            if kept["clip_id"] == clip_id:
                seconds = kept.get("seconds")
                took = None if seconds is None else float(seconds)
                return Answer(Reply(*map(str, kept["reply"])), str(kept["time"]), took)
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            pass  # a damaged file is as good as none: the clip is asked about again
        return None

    def put(self, clip_id: str, answer: Answer) -> None:
        """Keeps an answer; on return it is on disk, whatever happens next."""
        kept = {"clip_id": clip_id, **answer._asdict(), "reply": list(answer.reply)}
        with replacing(self._path(clip_id)) as temporary:
            temporary.write_text(json.dumps(kept), "utf-8")

    def _path(self, clip_id: str) -> Path:
        # Hashed, because an id comes from somebody's data and must not become a path.
        return self.folder / f"{hashlib.sha256(clip_id.encode()).hexdigest()}.json"
