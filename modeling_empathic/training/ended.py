"""What a run of stage 2 leaves in its output: whose it is, begun or ended."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..report.files import read_json, write_json
from ..scoring.short_names import UNFINISHED
from .labels import LabelledClips
from .record import LARGEST_RECORD, RECORD, differences
from .settings import TrainingError

WORK = UNFINISHED
# Settings that decide where and how often, not what comes out.
_NOT_OF_THE_RESULT = ("heads_per_pass", "shard", "save_every_s")


def has_ended(output: Path) -> bool:
    """Whether a run has ended in this folder: the file that says so is the last to be written."""
    return (output / RECORD).exists()


def check_output(output: Path) -> None:
    """Refuses an output that no run of this kind has begun or ended, before clips are encoded.

    Raises:
        TrainingError: A file, or a folder with other things in it.
    """
    if output.exists() and not output.is_dir():
        raise TrainingError(f"output {output} is a file; choose a folder")
    ours = has_ended(output) or (output / WORK).exists()
    if output.is_dir() and not ours and any(output.iterdir()):
        raise TrainingError(f"output {output}: the folder is not empty; choose another")


def check_run(work: Path, arguments: dict[str, Any], output: Path) -> None:
    """Raises where the folder holds another run's heads."""
    file = work / "run.json"
    if not file.exists():
        write_json(file, _shaping(arguments))
    elif differing := _differing(read_json(file), arguments):
        raise TrainingError(
            f"output {output} holds an unfinished run with other {differing}. Give the "
            f"same arguments to continue it, or remove {WORK} there"
        )


def ended_run(output: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a finished run with these arguments measured.

    What a kill left of its work goes.

    Raises:
        TrainingError: It had other arguments, or its record is none.
    """
    ended = read_json(output / RECORD, LARGEST_RECORD)
    if differing := _differing(ended, arguments):
        raise TrainingError(
            f"output {output} holds a finished run with other {differing}. Choose another folder"
        )
    if not {"measured", "undecodable", "heads"} <= ended.keys():
        raise TrainingError(f"output {output}: its {RECORD} was changed; choose another folder")
    shutil.rmtree(output / WORK, ignore_errors=True)
    return ended


def _shaping(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What of the arguments decides what comes out, as it is read from JSON again."""
    shaping: dict[str, Any] = json.loads(json.dumps(arguments))
    if isinstance(shaping.get("settings"), dict):
        for name in _NOT_OF_THE_RESULT:
            shaping["settings"].pop(name, None)
    return shaping


def _differing(other: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Arguments that another run had otherwise, in words; `""` if none."""
    return differences(_shaping(other), _shaping(arguments))


def fingerprint_labels(labelled: LabelledClips) -> str:
    """A SHA-256 of what is said of the clips: names, speakers, parts, classes and targets."""
    said = [labelled.names, labelled.speakers, labelled.parts, labelled.classes]
    total = hashlib.sha256(json.dumps(said).encode())
    for name, target in labelled.targets.items():
        total.update(json.dumps(name).encode() + target.tobytes())
    return f"sha256:{total.hexdigest()}"
