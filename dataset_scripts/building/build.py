"""Builds a corpus as a folder for the Hub: typed Parquet, its README, a manifest of checksums.

    OUT/README.md  OUT/data/*.parquet  OUT/ratings/*.parquet (Bench)  OUT/manifest.json

First pass: labels only. It decides which shard each clip goes to and checks the counts, so that
what is wrong with a source shows before any audio is read. Second pass: audio, a few clips in
memory at a time, into one open shard for each group of files.

Everything is made in `.OUT.building` beside OUT, and OUT appears in one step when it is whole. A
finished shard is noted in a journal there with its checksum; after a kill the same command keeps
those that still match, makes the rest again, and ends with the same bytes. Bad data leaves nothing.
"""

import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pyarrow as pa
from pyarrow import parquet

from dataset_scripts.building.card import card, files_of
from dataset_scripts.building.manifest import MANIFEST, BuildError, assert_published, verify
from dataset_scripts.building.shards import ShardWriter
from dataset_scripts.corpora import CORPORA, corpus_class
from dataset_scripts.corpora.bench import rating_features, ratings_of
from dataset_scripts.corpora.clips import Acoustics, acoustic_columns
from dataset_scripts.corpora.corpus import Corpus
from dataset_scripts.corpora.folder import FolderCorpus, folder_corpus
from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic import __version__
from modeling_empathic.report.files import locked, read_json, sha256, write_json
from modeling_empathic.taxonomy import UserError

JOURNAL = "journal.json"
RATINGS = "ratings/test-00000-of-00001.parquet"
MAX_SHARD_MB = 400
SAME_BUILD = ("corpus", "source_files", "settings", "made_with")  # what the bytes depend on


class Built(NamedTuple):
    """What `build` returns: the folder's manifest, and how many files this run wrote."""

    manifest: dict[str, Any]
    n_written: int


class Plan(NamedTuple):
    """Which clip goes where.

    Attributes:
        shards: Rows of every data shard by its path.
        targets: For each file of the source, the number of the shard of each of its clips.
        counts: Of the corpus.
    """

    shards: dict[str, int]
    targets: list[list[int]]
    counts: dict[str, int]


def build(
    source: str | Path,
    out: str | Path,
    corpus: str = "bench",
    revision: str | None = None,
    assert_counts: bool = True,
    max_shard_mb: float = MAX_SHARD_MB,
    acoustics: Acoustics | None = None,
    progress: Callable[[int, int], None] | None = None,
    labels: str | Path | None = None,
    classes: Mapping[str, str] | None = None,
) -> Built:
    """Builds a corpus from its source, goes on with a build that was killed, or checks a whole one.

    The same source gives the same bytes, with the same versions of pyarrow and datasets.

    Args:
        source: Folder; for Bench also a Hub id such as `raw_release.PUBLIC_RELEASE`.
        out: Folder to make; must not exist, or be empty, or be what this build made before.
        corpus: One of `corpora.CORPORA`.
        revision: Branch, tag or commit of a source on the Hub.
        assert_counts: Refuse a source whose counts are not the published ones.
        max_shard_mb: About the size of the largest data shard, in millions of bytes.
        acoustics: Acoustic features to add as columns.
        progress: Called with `(clips written, clips)`, at first with those of a build before.
        labels: CSV of a folder of anybody's, or a pattern of its paths (`corpora.folder`); then
            `corpus` and `assert_counts` mean nothing.
        classes: What its labels mean, where they are no words for a class.

    Raises:
        RawReleaseError: What is wrong with the source, with file and row.
        OtherCountsError: Counts that are not the published ones.
        BuildError: A clip twice, an `out` that is in the way, or a `corpus` that is not one.
        UserError: Another build is writing `out`.
    """
    kind: type[Corpus]
    if labels is not None:
        kind, corpus, assert_counts = folder_corpus(source, labels, classes), "folder", False
    elif corpus in CORPORA:
        kind = corpus_class(corpus)
    else:
        raise BuildError(f"unknown corpus {corpus!r}; choose from {', '.join(CORPORA)}")
    if not max_shard_mb > 0:
        raise BuildError(f"max_shard_mb={max_shard_mb:g} is not a size")
    out = Path(out).resolve()
    files, commit = kind.files(source, revision)
    tables = [Path(labels)] if labels is not None and "{" not in str(labels) else []
    said = {} if labels is None or tables else {"labels": str(labels)}
    wanted: dict[str, Any] = {
        "corpus": corpus,
        "source": {
            "name": Path(source).resolve().name if Path(source).is_dir() else str(source),
            "revision": commit,
        },
        "source_files": {
            _key(file, source, kind): {"bytes": file.stat().st_size, "sha256": sha256(file)}
            for file in (*files, *tables)
        },
        "settings": {
            "max_shard_mb": float(max_shard_mb),
            "acoustics": list(acoustics.names) if acoustics else [],
            **said,
            **({"classes": dict(classes)} if classes else {}),
        },
    }
    work = out.with_name(f".{out.name}.building")
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked(out), _journaled(work):
        if (out / MANIFEST).is_file():
            manifest = verify(out)
            _refuse_other(out, manifest, wanted)
            shutil.rmtree(work)  # killed between the last two steps, a build left its journal
            return Built(manifest, 0)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise BuildError(f"{out} exists and has no {MANIFEST}; name another folder")
        try:
            plan = _plan(kind, files, max_shard_mb)
            if assert_counts:
                assert_published(corpus, plan.counts)
            manifest = {**wanted, "made_with": _versions(), "files": {}}
            _take_over(work, manifest)
            kept = len(manifest["files"])
            _write_shards(kind, files, plan, work, manifest, acoustics, progress)
        except (RawReleaseError, BuildError):
            shutil.rmtree(work, ignore_errors=True)
            raise
        manifest["counts"] = plan.counts | kind.ignored(source)
        _write_readme(kind, work / "built", manifest)
        write_json(work / "built" / MANIFEST, manifest, indent=1)
        if out.exists():
            out.rmdir()
        (work / "built").rename(out)
        (work / JOURNAL).unlink()
    return Built(manifest, len(manifest["files"]) - kept)


def _key(file: Path, source: str | Path, kind: type[Corpus]) -> str:
    """A source file's name; of a folder of anybody's its path, since folders may repeat names."""
    root = Path(source).resolve()
    below = issubclass(kind, FolderCorpus) and file.is_relative_to(root)
    return file.relative_to(root).as_posix() if below else file.name


def _versions() -> dict[str, str]:
    return {
        "emonet-voice": __version__,
        "datasets": datasets.__version__,
        "pyarrow": pa.__version__,
    }


@contextmanager
def _journaled(work: Path) -> Iterator[None]:
    """Makes the folder; it stays only where a build was stopped and may go on."""
    work.mkdir(exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            work.rmdir()


def _refuse_other(out: Path, manifest: dict[str, Any], wanted: dict[str, Any]) -> None:
    keys = [key for key in SAME_BUILD if key in wanted and manifest.get(key) != wanted[key]]
    if keys:
        other = " and ".join(keys).replace("_", " ")
        raise BuildError(f"{out} was built with other {other}; name another folder")


def _plan(corpus: type[Corpus], files: list[Path], max_shard_mb: float) -> Plan:
    """Reads the labels and deals the clips of each group evenly over its shards, in order."""
    groups: list[list[str]] = []
    rows: Counter[str] = Counter()
    size: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for file in files:
        names = []
        for row in corpus.labels(file):
            names.append(corpus.group(row))
            counts.update(corpus.tally(row))
        groups.append(names)
        for name, n in Counter(names).items():
            rows[name] += n
            # Not the clips' own sizes, which only reading the audio would tell.
            size[name] += n * file.stat().st_size // len(names)
    if not rows:
        raise BuildError(f"no clips in {', '.join(file.name for file in files[:3])}")
    shards: dict[str, int] = {}
    numbers: dict[str, Iterator[int]] = {}
    for name in sorted(rows):
        n = min(max(1, math.ceil(size[name] / (max_shard_mb * 1e6))), rows[name])
        bounds = [rows[name] * part // n for part in range(n + 1)]
        order: list[int] = []
        for part in range(n):
            length = bounds[part + 1] - bounds[part]
            order += [len(shards)] * length
            shards[f"data/{name}-{part:05}-of-{n:05}.parquet"] = length
        numbers[name] = iter(order)
    targets = [[next(numbers[name]) for name in names] for names in groups]
    return Plan(shards, targets, dict(sorted(counts.items())))


def _take_over(work: Path, manifest: dict[str, Any]) -> None:
    """Adds the shards of a killed build to the manifest, and removes what is not one of them."""
    try:
        journal = read_json(work / JOURNAL)
    except UserError:
        journal = {}
    same = all(journal.get(key) == manifest[key] for key in SAME_BUILD)
    built = work / "built"
    for path, file in journal["files"].items() if same else ():
        if (built / path).is_file() and sha256(built / path) == file["sha256"]:
            manifest["files"][path] = file
    keep = {built / path for path in manifest["files"]}
    for path in list(work.rglob("*")):
        if path.is_file() and path not in keep:
            path.unlink()
    write_json(work / JOURNAL, manifest, indent=1)


def _write_shards(
    corpus: type[Corpus],
    files: list[Path],
    plan: Plan,
    work: Path,
    manifest: dict[str, Any],
    acoustics: Acoustics | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Streams the audio into the shards that are not there yet, then writes the ratings."""
    built, done, paths = work / "built", manifest["files"], list(plan.shards)
    added = acoustic_columns(acoustics.names) if acoustics else {}
    features = datasets.Features({**corpus.features(files), **added})
    kept = {path for path in paths if path in done}
    seen = {key: path for path in sorted(kept) for key in _keys(built / path, corpus.TARGET)}
    writers: dict[str, ShardWriter] = {}
    n_before, n_clips = sum(plan.shards[path] for path in kept), sum(plan.shards.values())
    tell = progress or (lambda done, total: None)
    tell(n_before, n_clips)
    try:
        for file, targets in zip(files, plan.targets, strict=True):
            if all(paths[number] in kept for number in set(targets)):
                continue
            clips = zip(targets, corpus.clips(file), strict=True)
            for row, (number, clip) in enumerate(clips, 1):
                path = paths[number]
                if path in kept:
                    continue
                key = (bytes.fromhex(clip["clip_id"]), clip[corpus.TARGET])
                where = f"{file.name}, row {row}"
                if key in seen:
                    # The same audio judged for two emotions is two items; for one emotion, a fault.
                    raise BuildError(
                        f"{where}: the audio and the {corpus.TARGET} of {seen[key]} once more"
                    )
                seen[key] = where
                if path not in writers:
                    writers[path] = ShardWriter(built / path, features, acoustics)
                writers[path].add(clip)
                if writers[path].n_added == plan.shards[path]:
                    done[path] = writers.pop(path).finish()
                    write_json(work / JOURNAL, manifest, indent=1)
                # What waits for its row group is not done: measuring it is most of the work.
                whole = sum(plan.shards[path] for path in done if path in plan.shards)
                tell(whole + sum(writer.n_rows for writer in writers.values()), n_clips)
    finally:
        for writer in writers.values():
            writer.abandon()
    if "ratings" in corpus.CONFIG_FILES and RATINGS not in done:
        writer = ShardWriter(built / RATINGS, rating_features(features), rows_a_group=10_000)
        for path in paths:
            with parquet.ParquetFile(built / path) as opened:
                for batch in opened.iter_batches(columns=["clip_id", "emotion", "ratings"]):
                    for clip in batch.to_pylist():
                        for rating in ratings_of(clip):
                            writer.add(rating)
        done[RATINGS] = writer.finish()
        write_json(work / JOURNAL, manifest, indent=1)
    manifest["files"] = {path: done[path] for path in sorted(done)}


def _keys(path: Path, target: str) -> Iterator[tuple[bytes, int]]:
    """What tells a shard's clips apart: SHA-256 and class."""
    table = parquet.read_table(path, columns=["clip_id", target])
    for clip_id, number in zip(*(column.to_pylist() for column in table.columns), strict=True):
        yield bytes.fromhex(clip_id), number


def _write_readme(corpus: type[Corpus], built: Path, manifest: dict[str, Any]) -> None:
    """Makes the README from the features that the shards really have."""
    shards = manifest["files"]
    features = {
        name: datasets.Features.from_arrow_schema(parquet.read_schema(built / paths[0]))
        for name, paths in files_of(corpus, shards).items()
    }
    readme = built / "README.md"
    readme.write_text(card(corpus, shards, features, manifest["source"]), encoding="utf-8")
    entry = {"bytes": readme.stat().st_size, "sha256": sha256(readme)}
    manifest["files"] = {"README.md": entry, **shards}
