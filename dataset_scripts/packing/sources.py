"""What is packed: folders of clips, and the layouts that the public training data come in.

    OUT/clips.parquet, scores.parquet, audio/    made by `big generate` or `segment`, and `annotate`
    NAME.tar                                     WebDataset: NAME.mp3 and NAME.json side by side
    FOLDER/…/NAME.mp3, NAME.json                 the same, unpacked

The JSON may hold 40 scores or more by any spelling in use (`Affection_best`), at its top or under
`emotions`; the public ones have 59 (55 heads, 4 of quality). They are regressions without bounds:
what lies beyond 0 to 4 becomes 0 or 4.

All of it may be a stranger's. Nothing is unpacked to disk, no link is followed, and no member is
read that is larger than a clip can be.
"""

import hashlib
import json
import math
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa

from dataset_scripts.generation.factors import LANGUAGES, VOICES
from modeling_empathic.report.archives import NoEndError, members
from modeling_empathic.report.files import as_object, sha256
from modeling_empathic.scoring.names import path_text
from modeling_empathic.taxonomy import EMOTION_NAMES, EMOTIONS, UnknownNameError, resolve
from modeling_empathic.training.captions import make_caption

from .big import FEATURES
from .clips import CLIPS, PackingError, Row, audio_file, read_clips, rows_of
from .scores import SCORED, SCORES, head_name, judgement, read_scores, within_scale

AUDIO = (".flac", ".mp3", ".wav", ".ogg", ".opus", ".m4a")
MOST_AUDIO, MOST_JSON = 64 * 2**20, 2**20  # bytes; 30 s of 24 kHz are 1.4 MB, 59 scores 4 kB
_TAR_NAME = re.compile(rf"({'|'.join(LANGUAGES)})_({'|'.join(VOICES)})_")
_SPOKEN_TEXT = re.compile(r"<transcription_start>(.*?)<transcription_end>", re.DOTALL)
_NUMBER = {emotion.name: number for number, emotion in enumerate(EMOTIONS)}


class Found(NamedTuple):
    """A clip of a source, or why it is none.

    Attributes:
        name: In its source.
        row: The columns of `big.FEATURES` that are known; of `audio` the bytes and a name.
        left_out: Why it cannot be packed; empty if it can.
    """

    name: str
    row: Row | None
    left_out: str = ""


def fingerprint(source: Path) -> str:
    """A SHA-256 that stands for what a source holds.

    Raises:
        PackingError: It is none of the layouts.
    """
    if (source / CLIPS).is_file():
        total = hashlib.sha256()
        for name in (CLIPS, SCORES):
            total.update((sha256(source / name) if (source / name).is_file() else "").encode())
        # A clip that is missing, or only half there, today may be whole the next time.
        for path in read_clips(source)["path"].to_pylist():
            total.update(f"{_size(source, path)}\n".encode())
        return f"sha256:{total.hexdigest()}"
    if source.is_dir():
        total = hashlib.sha256()
        for file in _files(source):
            total.update(f"{file.relative_to(source)}\0{sha256(file)}\0".encode("utf-8", "replace"))
        return f"sha256:{total.hexdigest()}"
    if source.suffix == ".tar" and source.is_file():
        return f"sha256:{sha256(source)}"
    if not source.exists():
        raise PackingError(f"{source} is not there")
    raise PackingError(
        f"{source} is no folder of clips and no .tar (one that is compressed has to be unpacked)"
    )


def read(source: Path, unscored: bool = False) -> Iterator[Found]:
    """The clips of a source, always in the same order.

    Args:
        source: Of one of the layouts.
        unscored: Take clips without scores too.

    Raises:
        PackingError: It is none of them, or its table or archive cannot be read.
    """
    if (source / CLIPS).is_file():
        found = _made(source, unscored)
    elif source.is_dir():
        found = _unpacked(source)
    else:
        found = _tar(source)
    for one in found:
        if one.row is not None and one.row["emotion_scores"] is None and not unscored:
            yield Found(one.name, None, one.left_out or "no scores")
        else:
            yield one if one.row is None else Found(one.name, one.row)


def _made(folder: Path, unscored: bool) -> Iterator[Found]:
    clips = read_clips(folder)
    scores: pa.Table | None = None
    provenance: dict[str, Any] = {}
    if (folder / SCORES).is_file() or not unscored:
        scores, provenance = read_scores(folder)
    for clip, scored in zip(rows_of(clips), _aligned(scores, clips["id"]), strict=True):
        name = clip["id"]
        if clip["outcome"] != "spoken":
            yield Found(name, None, f"not spoken: {clip['outcome']}")
            continue
        try:
            file = audio_file(folder, clip["path"])
            audio = _bytes(file)
        except PackingError as error:
            yield Found(name, None, "unsafe path" if "leads out" in str(error) else str(error))
            continue
        if hashlib.sha256(audio).hexdigest() != clip["sha256"]:
            yield Found(name, None, "audio is not what was made")
            continue
        row = _row(audio, file.name)
        row |= {key: clip[key] for key in FEATURES if key in clip}
        row |= {"voice_gender": clip["sex"], "intensity": clip["target_intensity"]}
        row |= {"prompt_id": clip["prompt_id"] or name, "annotator": provenance.get("annotator")}
        row["emotion"] = _emotion(clip["target_emotion"])
        why = _why_unscored(scored, clip["sha256"])
        if not why:
            row |= {key: scored[key] for key in ("emotion_scores", "caption")}
        yield Found(name, row, why)


def _why_unscored(scored: Row, clip_id: str) -> str:
    """Why the scores of a clip, which may be a stranger's, are none; empty if they are."""
    if not scored.get("outcome"):
        return "not annotated"
    if scored["outcome"] != SCORED:
        return f"not scored: {scored['outcome']}"
    if scored["clip_id"] != clip_id:
        return "scores of other audio"
    scores = scored["emotion_scores"] or []
    if len(scores) != len(EMOTION_NAMES):
        return f"{len(scores)} of {len(EMOTION_NAMES)} scores"
    return judgement(zip(EMOTION_NAMES, scores, strict=True)).reason


def _aligned(scores: pa.Table | None, ids: Any) -> Iterator[Row]:
    """The scores of each clip; of one that has none, nothing."""
    if scores is None:
        yield from ({} for _ in range(len(ids)))
        return
    where = {clip_id: number for number, clip_id in enumerate(scores["id"].to_pylist())}
    places = pa.array([where.get(clip_id) for clip_id in ids.to_pylist()], pa.int64())
    yield from rows_of(scores.take(places))


def _size(folder: Path, path: str | None) -> int:
    """In bytes, of a clip; -1 of one that is not there."""
    try:
        return audio_file(folder, path).stat().st_size if path else -1
    except (OSError, PackingError):
        return -1


def _bytes(file: Path) -> bytes:
    try:
        if not file.is_file():
            raise PackingError("audio is missing")
        if file.stat().st_size > MOST_AUDIO:
            raise PackingError("audio is too large")
        return file.read_bytes()
    except OSError:
        raise PackingError("audio cannot be read") from None


def _files(folder: Path) -> list[Path]:
    """Audio and JSON of a folder, ordered; links are somebody else's files."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in (*AUDIO, ".json")
        and not file.name.startswith(".")
        and not file.is_symlink()
        and file.resolve().is_relative_to(folder.resolve())
        and file.is_file()
    )


def _unpacked(folder: Path) -> Iterator[Found]:
    for file in _files(folder):
        if file.suffix.lower() not in AUDIO:
            continue
        name = path_text(file.relative_to(folder).as_posix())
        try:
            audio = _bytes(file)
            beside = file.with_suffix(".json")
            said = b""
            if beside.is_file() and not beside.is_symlink():
                said = beside.read_bytes() if beside.stat().st_size <= MOST_JSON else b"["
        except (OSError, PackingError) as error:
            yield Found(name, None, str(error) if isinstance(error, PackingError) else "unreadable")
            continue
        yield _public(name, audio, said, folder.name)


def _tar(file: Path) -> Iterator[Found]:
    """Members of a name follow each other, as WebDataset has them."""
    held: dict[str, bytes] = {}
    key_held = ""
    try:
        with file.open("rb") as opened:
            for archive, member in members(opened):
                # macOS puts a `._NAME` before every NAME.
                if member.isdir() or PurePosixPath(member.name).name.startswith("."):
                    continue
                reason = _unsafe(member)
                name = path_text(member.name)
                if reason:
                    yield Found(name, None, reason)
                    continue
                stem, suffix = _split(member.name)
                if stem != key_held:
                    yield from _of_members(key_held, held, file.stem)
                    key_held, held = stem, {}
                if suffix not in (*AUDIO, ".json"):
                    continue
                if suffix in held or (suffix in AUDIO and not held.keys().isdisjoint(AUDIO)):
                    yield Found(name, None, "a second member of this name")
                elif stream := archive.extractfile(member):
                    held[suffix] = stream.read()
    except NoEndError:  # its members are whole; how many there should be, nobody knows
        yield from _of_members(key_held, held, file.stem)
        yield Found(file.name, None, "the archive stops without the mark of its end")
        return
    except (tarfile.TarError, ValueError, EOFError, RecursionError):
        # What came before is whole; the members that were held may be the ones that are cut off.
        yield Found(path_text(key_held or file.name), None, "the archive is damaged from here on")
        return
    yield from _of_members(key_held, held, file.stem)


def _split(name: str) -> tuple[str, str]:
    path = PurePosixPath(name)
    return str(path.with_suffix("")), path.suffix.lower()


def _unsafe(member: tarfile.TarInfo) -> str:
    """Why a member is not read; nothing is ever written under its name."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name:
        return "unsafe path"
    if not member.isreg():
        return "a link" if member.issym() or member.islnk() else "no file"
    most = MOST_JSON if path.suffix.lower() == ".json" else MOST_AUDIO
    if member.issparse() or member.size > most:
        return "too large"
    return ""


def _of_members(stem: str, held: dict[str, bytes], source: str) -> Iterator[Found]:
    suffix = next((suffix for suffix in held if suffix in AUDIO), None)
    if suffix:
        yield _public(path_text(stem + suffix), held[suffix], held.get(".json", b""), source)
    elif held:
        yield Found(path_text(stem), None, "no audio")


def _public(name: str, audio: bytes, said: bytes, source: str) -> Found:
    """A clip of the public layouts: what its JSON says, and what the name of the whole does."""
    row = _row(audio, PurePosixPath(name).name)
    row |= {"source_file": name, "annotator": "imported", "part": "public"}
    if match := _TAR_NAME.match(source):
        row |= {"language": match[1], "voice": match[2]}
    if not said:
        return Found(name, row, "no scores")
    try:
        document = json.loads(said, object_pairs_hook=as_object)
        if not isinstance(document, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError):
        return Found(name, row, "JSON that cannot be read")
    row |= _texts(document)
    scores, reason = _scores(document)
    if scores is None:
        return Found(name, row, reason)
    row["emotion_scores"] = scores
    row["caption"] = row["caption"] or make_caption(scores, seed=list(name.encode()))
    return Found(name, row)


def _texts(document: dict[str, Any]) -> Row:
    """Caption and spoken text, where they are."""
    found: Row = {}
    for column, keys in (("caption", ("caption",)), ("text", ("text", "transcription"))):
        value = next((document[key] for key in keys if isinstance(document.get(key), str)), None)
        found[column] = value
    annotation = document.get("annotation")
    if isinstance(annotation, str) and (match := _SPOKEN_TEXT.search(annotation)):
        found["text"] = found["text"] or match[1].strip()
    # JSON may hold half of a surrogate pair, which Parquet cannot.
    return {key: text and text.encode("utf-8", "replace").decode() for key, text in found.items()}


def _scores(document: dict[str, Any]) -> tuple[list[float] | None, str]:
    """40 scores on the scale, or why there are none."""
    inner = [document[key] for key in ("emotions", "scores", "annotation") if key in document]
    for mapping in (document, *(one for one in inner if isinstance(one, dict))):
        pairs = [(head_name(key), value) for key, value in mapping.items()]
        pairs = [(name, value) for name, value in pairs if name in _NUMBER]
        if not pairs:
            continue
        read = judgement(
            (name, within_scale([value])[0] if _is_number(value) else value)
            for name, value in pairs
        )
        return read.scores, read.reason
    return None, "no scores"


def _is_number(value: Any) -> bool:
    try:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
    except OverflowError:  # an integer of hundreds of digits
        return False


def _row(audio: bytes, name: str) -> Row:
    row: Row = dict.fromkeys(FEATURES)
    row |= {"audio": {"bytes": audio, "path": name}, "file_name": name}
    return row | {"clip_id": hashlib.sha256(audio).hexdigest()}


def _emotion(name: str | None) -> int | None:
    """The number of a target; one that is no emotion is unknown."""
    try:
        return _NUMBER.get(resolve(name)) if name else None
    except UnknownNameError:
        return None


assert tuple(_NUMBER) == EMOTION_NAMES
