"""Who speaks when: the turns of a diarisation of the user's own, from an RTTM file.

RTTM (Rich Transcription Time Marked, NIST 2009) is what diarisers write, pyannote.audio and NeMo
among them; a line a turn: `SPEAKER talk 1 12.30 4.25 <NA> <NA> anna <NA> <NA>` is 4.25 s of anna
in the recording `talk` from 12.30 s on.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from modeling_empathic.audio import AudioError
from modeling_empathic.taxonomy import UserError

from .names import path_text

AnyPath = str | os.PathLike[str]
MAX_DURATION_S = 24 * 3600
"""Of a recording: a few kilobytes of near-silence decode to days, and every window is a row."""


class Turn(NamedTuple):
    """One person speaking; turns may overlap."""

    start_s: float
    end_s: float
    speaker: str


@dataclass(frozen=True)
class Turns:
    """The turns of one or more recordings.

    Attributes:
        of_file: Turns in order of time, by the name that the RTTM has for the recording.
        sha256: Of the RTTM, for the provenance.
        name: Of the RTTM, for messages.
    """

    of_file: dict[str, tuple[Turn, ...]]
    sha256: str
    name: str

    def of(self, path: AnyPath, only: bool = False) -> Sequence[Turn]:
        """The turns of a clip: those under its file name, with or without its suffix.

        Args:
            path: Of the clip.
            only: It is the only clip; then the only recording of the RTTM is it, however called.

        Raises:
            AudioError: The RTTM does not know it.
        """
        for name in (Path(path).name, Path(path).stem):
            if name in self.of_file:
                return self.of_file[name]
        if only and len(self.of_file) == 1:
            return next(iter(self.of_file.values()))
        known = ", ".join(list(self.of_file)[:5]) + (" …" if len(self.of_file) > 5 else "")
        raise AudioError(f"{path}: no turns of {Path(path).stem} in {self.name}, which has {known}")


def read_turns(path: Path) -> Turns:
    r"""Reads an RTTM file; lines of other types than SPEAKER, and turns of 0 s, are passed over.

    Turns of one speaker that overlap become one; those of two do not.

    Raises:
        UserError: It cannot be read, a line is none of RTTM, or there is no turn.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "turns.rttm")
        ...     _ = file.write_text("SPEAKER talk 1 12.30 4.25 <NA> <NA> anna <NA> <NA>\n")
        ...     read_turns(file).of("talks/talk.wav")
        (Turn(start_s=12.3, end_s=16.55, speaker='anna'),)
    """
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"speakers {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"speakers {path}: no RTTM, which is text in UTF-8") from None
    found: dict[str, list[Turn]] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith(";") or (len(words) > 7 and words[0] != "SPEAKER"):
            continue
        try:
            file, start_s, length_s, speaker = words[1], *map(float, words[3:5]), words[7]
            # A space in a name moves what follows it by a place.
            if len(words) > 10 or _is_number(words[5]):
                raise ValueError
            if words[8:9] not in ([], ["<NA>"]) and not _is_number(words[8]):
                raise ValueError
            if not (start_s >= 0 and length_s >= 0 and start_s + length_s <= MAX_DURATION_S):
                raise ValueError
        except (ValueError, IndexError):
            raise UserError(
                f"speakers {path}, line {number}: {line.strip()[:80]!r} is no turn of RTTM: write "
                "SPEAKER file channel start seconds <NA> <NA> name <NA> <NA>, "
                "names without spaces, times within 24 h"
            ) from None
        if length_s:
            end_s = round(start_s + length_s, 6)  # 12.3 + 4.25 is not 16.55 to a float
            turn = Turn(start_s, end_s, path_text(speaker))
            found.setdefault(file, []).append(turn)
    if not found:
        raise UserError(f"speakers {path}: no turn in it")
    turns = {file: _merged(each) for file, each in found.items()}
    return Turns(turns, hashlib.sha256(content).hexdigest(), path.name)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _merged(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """In order of time, those of one speaker that overlap as one."""
    kept: list[Turn] = []
    last: dict[str, int] = {}  # of each speaker
    for turn in sorted(turns):
        at = last.get(turn.speaker, -1)
        if at >= 0 and turn.start_s < kept[at].end_s:
            kept[at] = kept[at]._replace(end_s=max(kept[at].end_s, turn.end_s))
        else:
            last[turn.speaker] = len(kept)
            kept.append(turn)
    return tuple(kept)
