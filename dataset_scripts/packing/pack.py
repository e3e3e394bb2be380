"""Packs clips as a data set for the Hub: typed Parquet, its README, a manifest of checksums.

    PACKED/README.md  PACKED/data/<configuration>-<number>.parquet  PACKED/manifest.json

Clips go into one open shard for each configuration, in the order of their sources, a row group in
memory at a time. New shards are made in `.PACKED.building` beside it and moved in when all are
whole, the manifest last; those that were there stay as they are, byte for byte, but for the ones
with clips that were packed without scores and have them now: these are written again. After a kill
the same command reads the sources again, keeps the finished shards whose checksum holds, and ends
with the same bytes.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from dataset_scripts.building.card import card, files_of
from dataset_scripts.building.manifest import MANIFEST, verify
from dataset_scripts.building.shards import ROWS_A_GROUP, ShardWriter
from dataset_scripts.corpora.clips import duration_s
from modeling_empathic import __version__
from modeling_empathic.report.files import locked, read_json, sha256, write_json
from modeling_empathic.taxonomy import UserError

from .big import FEATURES, Big, group_of
from .clips import PackingError, Row
from .sources import Found, fingerprint, read
from .statistics import Statistics

CORPUS = "big"
JOURNAL = "journal.json"
MAX_SHARD_MB = 500
SHOWN = 20  # names of clips that were left out for one reason
SAME = ("before", "sources", "settings", "made_with")  # what new shards depend on


class Packed(NamedTuple):
    """What `pack` returns: the folder's manifest, and how many clips this run added."""

    manifest: dict[str, Any]
    n_new: int


def pack(
    sources: Sequence[str | Path],
    packed: str | Path,
    *,
    max_shard_mb: float = MAX_SHARD_MB,
    unscored: bool = False,
    progress: Callable[[int], object] = lambda done: None,
) -> Packed:
    """Packs what is new in the sources, or checks a folder that has all of it.

    A clip whose bytes were packed already, from whatever source, is a copy and left out, as is one
    that failed, has no scores or cannot be read: each is counted, and the first are named, in the
    manifest under `sources`. A copy that has scores gives them to the packed clip, where that has
    none.

    Args:
        sources: Layouts of `sources.read`, in order.
        packed: Folder to make or to add to.
        max_shard_mb: About the size of a shard, in millions of bytes.
        unscored: Take clips without scores too.
        progress: Called with the number of clips read so far.

    Raises:
        PackingError: A source that cannot be read, none that holds a clip, or a `packed` that is
            something else.
        BuildError: A packed folder that is not as it was made.
        UserError: Another run is packing there.
    """
    if not max_shard_mb > 0:
        raise PackingError(f"max_shard_mb={max_shard_mb:g} is not a size")
    packed = Path(packed).resolve()
    work = packed.with_name(f".{packed.name}.building")
    packed.parent.mkdir(parents=True, exist_ok=True)
    with locked(packed):
        _move_in(work, packed)  # of a run that was killed doing it
        before = _before(packed)
        kind = " unscored" if unscored else ""
        marks = {str(source): fingerprint(Path(source)) + kind for source in sources}
        done = {source["fingerprint"] for source in before.get("sources", ())}
        new = [Path(source) for source, mark in marks.items() if mark not in done]
        if not new:
            shutil.rmtree(work, ignore_errors=True)
            return Packed(before, 0)
        manifest: dict[str, Any] = {
            "corpus": CORPUS,
            "before": before and sha256(packed / MANIFEST),
            "sources": [[source.resolve().name, marks[str(source)]] for source in new],
            "settings": {"max_shard_mb": float(max_shard_mb), "unscored": unscored},
            "made_with": _versions(),
            "files": {},
        }
        packing = _Packing(work / "built", packed, before, manifest, max_shard_mb * 1e6)
        _take_over(work, manifest)
        n_read = 0
        try:
            for source, entry in zip(new, manifest["sources"], strict=True):
                packing.begin(*entry)
                for found in read(source, unscored):
                    packing.add(found)
                    n_read += 1
                    progress(n_read)
                if source.is_dir() and fingerprint(source) + kind != entry[1]:
                    packing.changed()
            packing.finish()
        finally:
            packing.abandon()
            if not manifest["files"]:  # nothing to go on with
                shutil.rmtree(work, ignore_errors=True)
        whole = packing.manifest_of_all()
        if not whole["counts"]["clips"]:
            reasons = [f"{out['clips']:,} {why}" for why, out in packing.left_out().items()]
            said = f" ({'; '.join(reasons[:3])})" if reasons else ""
            raise PackingError(f"no clip to pack in {', '.join(map(str, new))}{said}")
        _write_readme(work / "built", packed, whole)
        write_json(work / "built" / MANIFEST, whole, indent=1)
        _move_in(work, packed)
    return Packed(whole, whole["counts"]["clips"] - before.get("counts", {}).get("clips", 0))


class _Packing:
    """The shards that are being made, and what is known of all clips.

    Shards that a killed run finished are not written again: their clips are only counted.
    """

    def __init__(
        self,
        built: Path,
        packed: Path,
        before: dict[str, Any],
        manifest: dict[str, Any],
        max_bytes: float,
    ):
        self.built, self.before, self.manifest = built, before, manifest
        self._max_bytes = max_bytes
        self._packed = packed
        self._known: set[bytes] = set()
        self._unscored: dict[bytes, tuple[str, str | None]] = {}  # shard, and annotator
        self._given: dict[str, dict[bytes, tuple[bytes, str, str]]] = {}  # by shard: see `_give`
        for path, clip_id, scored, annotator in _packed_clips(packed, before):
            self._known.add(clip_id)
            if not scored:
                self._unscored[clip_id] = path, annotator
        self._numbers = Counter(path.split("/")[1].rsplit("-", 1)[0] for path in _data(before))
        self._open: dict[str, tuple[str, ShardWriter | None, int]] = {}
        self._statistics = Statistics(before.get("statistics"))
        self._sources: list[dict[str, Any]] = []

    def begin(self, name: str, mark: str) -> None:
        """The clips that follow are of this source."""
        self._sources.append({"name": name, "fingerprint": mark, "clips": 0, "left_out": {}})

    def changed(self) -> None:
        """The source is not what it was when it was begun: the next run reads it once more."""
        self._sources[-1]["fingerprint"] += ", changed while it was read"

    def add(self, found: Found) -> None:
        """Packs a clip, or counts why not."""
        row, reason = found.row, found.left_out
        if row is not None and not reason:
            clip_id = bytes.fromhex(row["clip_id"])
            seconds = None if clip_id in self._known else duration_s(row["audio"]["bytes"])
            if clip_id in self._unscored and row["emotion_scores"]:
                self._give(clip_id, row)
                return
            if clip_id in self._known:
                reason = "a copy of a packed clip"
            elif seconds is None:
                reason = "no audio"
            else:
                self._known.add(clip_id)
                self._pack(row | {"duration_s": seconds})
                return
        left_out = self._sources[-1]["left_out"].setdefault(reason, {"clips": 0, "first": []})
        left_out["clips"] += 1
        if len(left_out["first"]) < SHOWN:
            left_out["first"].append(found.name)

    def _pack(self, row: Row) -> None:
        group, size = group_of(row), len(row["audio"]["bytes"])
        path, writer, filled = self._open.get(group, ("", None, 0))
        if path and filled + size > self._max_bytes:
            self._close(group)
            path = ""
        if not path:
            path, filled = f"data/{group}-{self._numbers[group]:05}.parquet", 0
            self._numbers[group] += 1
            kept = path in self.manifest["files"]
            writer = None if kept else ShardWriter(self.built / path, FEATURES)
        if writer is not None:
            writer.add(row)
        if row["emotion_scores"] is None:
            self._unscored[bytes.fromhex(row["clip_id"])] = path, row["annotator"]
        self._open[group] = path, writer, filled + size
        self._sources[-1]["clips"] += 1
        self._statistics.add(row, group)

    def _close(self, group: str) -> None:
        path, writer, _ = self._open.pop(group)
        if writer is not None:
            self.manifest["files"][path] = writer.finish()
            write_json(self.built.parent / JOURNAL, self.manifest, indent=1)

    def _give(self, clip_id: bytes, row: Row) -> None:
        """Notes the scores of a clip that was packed without."""
        path, annotator = self._unscored.pop(clip_id)
        scores = np.array(row["emotion_scores"], np.float32).tobytes()  # a tenth of a list's memory
        given = scores, row["caption"], row["annotator"]
        self._given.setdefault(path, {})[clip_id] = given
        self._sources[-1]["given_scores"] = self._sources[-1].get("given_scores", 0) + 1
        seconds = duration_s(row["audio"]["bytes"]) or 0.0  # not as it is stored, in 32 bits
        self._statistics.move("annotator", annotator, row["annotator"], seconds)

    def finish(self) -> None:
        """Closes every shard, and writes those again whose clips were given scores."""
        for group in sorted(self._open):
            self._close(group)
        for path in sorted(self._given):
            self._write_again(path, self._given[path])

    def _write_again(self, path: str, given: dict[bytes, tuple[bytes, str, str]]) -> None:
        old = self.before.get("files", {})
        if path in old and path in self.manifest["files"]:
            return  # a killed run did it
        with parquet.ParquetFile((self._packed if path in old else self.built) / path) as shard:
            writer = ShardWriter(self.built / path, FEATURES)
            try:
                for batch in shard.iter_batches(ROWS_A_GROUP):
                    for row in batch.to_pylist():
                        if found := given.get(bytes.fromhex(row["clip_id"])):
                            scores = np.frombuffer(found[0], np.float32).tolist()
                            row |= {"emotion_scores": scores, "caption": found[1]}
                            row["annotator"] = found[2]
                        writer.add(row)
                self.manifest["files"][path] = writer.finish()
            except BaseException:
                writer.abandon()
                raise
        write_json(self.built.parent / JOURNAL, self.manifest, indent=1)

    def abandon(self) -> None:
        """Lets go of shards that are not whole."""
        for _, writer, _ in self._open.values():
            if writer is not None:
                writer.abandon()
        self._open.clear()

    def left_out(self) -> dict[str, Any]:
        """By reason, of all sources of this run."""
        return {reason: out for one in self._sources for reason, out in one["left_out"].items()}

    def manifest_of_all(self) -> dict[str, Any]:
        """What was packed before, and what this run adds."""
        old_files = {path: self.before["files"][path] for path in _data(self.before)}
        files = old_files | self.manifest["files"]
        counts: Counter[str] = Counter()
        for source in self.before.get("sources", []) + self._sources:
            counts["clips"] += source["clips"]
            if given := source.get("given_scores"):
                counts["given scores later"] += given
            for reason, out in source["left_out"].items():
                counts[f"left out: {reason}"] += out["clips"]
        return {
            "corpus": CORPUS,
            "sources": self.before.get("sources", []) + self._sources,
            "settings": self.manifest["settings"],
            "made_with": self.manifest["made_with"],
            "files": {path: files[path] for path in sorted(files)},
            "counts": dict(sorted(counts.items())),
            "statistics": self._statistics.as_dict(),
        }


def _data(manifest: dict[str, Any]) -> Iterator[str]:
    return (path for path in manifest.get("files", ()) if path.startswith("data/"))


def _before(packed: Path) -> dict[str, Any]:
    """The manifest of what is there; nothing where nothing is."""
    if (packed / MANIFEST).is_file():
        manifest = verify(packed)
        if manifest.get("corpus") != CORPUS:
            raise PackingError(f"{packed} holds {manifest.get('corpus')!r}; name another folder")
        if not _is_countable(manifest):
            raise PackingError(f"{packed / MANIFEST} has counts that are none; name another folder")
        return manifest
    if packed.exists() and (not packed.is_dir() or any(packed.iterdir())):
        raise PackingError(f"{packed} exists and has no {MANIFEST}; name another folder")
    return {}


def _is_countable(manifest: dict[str, Any]) -> bool:
    """Whether what a manifest, which may be a stranger's, says of clips can be added to."""
    try:
        if not isinstance(manifest["sources"], list):
            return False
        numbers = [manifest["counts"]["clips"]]
        for source in manifest["sources"]:
            numbers += [source["clips"], source.get("given_scores", 0)]
            numbers += [*(out["clips"] for out in source["left_out"].values())]
            if not (isinstance(source["name"], str) and isinstance(source["fingerprint"], str)):
                return False
        for sums in manifest["statistics"].values():
            for clips, milliseconds in sums.values():
                numbers += [clips, milliseconds]
    except (KeyError, TypeError, AttributeError, ValueError):
        return False
    return all(type(number) is int and number >= 0 for number in numbers)


def _packed_clips(
    packed: Path, before: dict[str, Any]
) -> Iterator[tuple[str, bytes, bool, str | None]]:
    """Shard, id, whether it has scores, and annotator of every clip that is there."""
    for path in _data(before):
        with parquet.ParquetFile(packed / path) as opened:
            for batch in opened.iter_batches(columns=["clip_id", "emotion_scores", "annotator"]):
                ids, scored, annotators = (
                    batch["clip_id"], batch["emotion_scores"].is_valid(), batch["annotator"]
                )  # fmt: skip
                for clip_id, known, who in zip(ids, scored, annotators, strict=True):
                    yield path, bytes.fromhex(clip_id.as_py()), known.as_py(), who.as_py()


def _versions() -> dict[str, str]:
    return {
        "emonet-voice": __version__,
        "datasets": datasets.__version__,
        "pyarrow": pa.__version__,
    }


def _take_over(work: Path, manifest: dict[str, Any]) -> None:
    """Adds the shards of a killed run to the manifest, and removes what is not one of them."""
    try:
        journal = read_json(work / JOURNAL)
    except UserError:
        journal = {}
    same = all(journal.get(key) == manifest[key] for key in SAME)
    for path, file in journal["files"].items() if same else ():
        if (work / "built" / path).is_file() and sha256(work / "built" / path) == file["sha256"]:
            manifest["files"][path] = file
    keep = {work / "built" / path for path in manifest["files"]}
    for path in list(work.rglob("*")):
        if path.is_file() and path not in keep:
            path.unlink()
    work.mkdir(exist_ok=True)
    write_json(work / JOURNAL, manifest, indent=1)


def _write_readme(built: Path, packed: Path, whole: dict[str, Any]) -> None:
    """The README of all shards, the old ones and the new."""
    names = [source["name"] for source in whole["sources"]]
    source = {"name": ", ".join(dict.fromkeys(names)), "revision": None}
    features = dict.fromkeys(files_of(Big, whole["files"]), FEATURES)
    readme = built / "README.md"
    readme.parent.mkdir(parents=True, exist_ok=True)
    readme.write_text(card(Big, whole["files"], features, source), encoding="utf-8")
    entry = {"bytes": readme.stat().st_size, "sha256": sha256(readme)}
    whole["files"] = {"README.md": entry, **whole["files"]}


def _move_in(work: Path, packed: Path) -> None:
    """Moves what is whole to where it belongs, the manifest last; what has moved stays there."""
    built = work / "built"
    if not (built / MANIFEST).is_file():
        return
    (packed / "data").mkdir(parents=True, exist_ok=True)
    for path in sorted((built / "data").glob("*.parquet")):
        path.replace(packed / "data" / path.name)
    for name in ("README.md", MANIFEST):
        with suppress(FileNotFoundError):
            (built / name).replace(packed / name)
    shutil.rmtree(work)
