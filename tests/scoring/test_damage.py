"""Score files and journals that were cut or changed are never believed."""

import errno
import json
import random
import warnings
from pathlib import Path

import pytest

from modeling_empathic.audio import AudioError
from modeling_empathic.scoring import prepared
from modeling_empathic.scoring.clips import ScoringError, score_groups
from modeling_empathic.scoring.file import WHOLE, meta_path, read_provenance, read_scores
from modeling_empathic.scoring.journal import ScoreFile, journal_path
from tests.support.scoring_fakes import HEADS, FakeExtractor, FakeModel, write_clip

FORMATS = (".parquet", ".jsonl", ".csv")
PROVENANCE = {"model": "fake", "heads": list(HEADS), "dtype": "float32"}


@pytest.fixture
def clips(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    return [str(write_clip(Path(f"clips/{number}.wav"), seed=number)) for number in range(6)]


def score(path: str, clips: list[str], groups: int | None = None) -> list[str]:
    """Scores in groups of two; the clips that were done before. Stops after some groups."""
    with ScoreFile(Path(path), PROVENANCE) as file:
        done = list(file.done)
        model, extractor = FakeModel(), FakeExtractor()
        for number, group in enumerate(
            score_groups(clips, model, extractor, batch_size=2, workers=1, done=file.done)
        ):
            if number == groups:
                return done
            file.append(group)
        file.finish(clips)
    return done


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_score_file_that_was_cut_anywhere_is_refused(clips, suffix):
    path = Path("x" + suffix)
    score(str(path), clips)
    whole = path.read_bytes()
    rows = [n + 1 for n, byte in enumerate(whole[:-1]) if byte == 10]
    for end in [0, *rows, *random.Random(0).sample(range(len(whole)), 50)]:
        path.write_bytes(whole[:end])
        with pytest.raises(ScoringError, match=r"cut or changed|not a whole|not a score file"):
            read_scores(path)
        with pytest.raises(ScoringError):
            score(str(path), clips)
        assert path.read_bytes() == whole[:end]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_score_file_with_a_changed_byte_is_refused_or_has_the_same_scores(clips, suffix):
    path = Path("x" + suffix)
    score(str(path), clips)
    whole, table, provenance = path.read_bytes(), read_scores(path), read_provenance(path)
    draw, refused = random.Random(0), 0
    for _ in range(300):
        at, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        try:
            found = read_scores(path)
        except ScoringError:
            refused += 1
        else:  # bytes that nobody reads, such as the name of the program that wrote a Parquet file
            assert found.equals(table) and read_provenance(path) == provenance
    assert refused == 300 if suffix != ".parquet" else refused > 100


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_kill_between_a_text_and_what_lies_beside_it_is_gone_on_from(clips, suffix):
    path = Path("x" + suffix)
    score(str(path), clips[:2])
    before = path.read_bytes()
    score(str(path), clips, groups=1)
    journal = journal_path(path).read_bytes()
    score(str(path), clips)
    whole = path.read_bytes()
    path.write_bytes(before)
    journal_path(path).write_bytes(journal)
    score(str(path), clips)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_kill_once_all_is_in_place_leaves_what_lies_beside_a_text_as_it_is(clips, suffix):
    path = Path("x" + suffix)
    with ScoreFile(path, PROVENANCE) as file:
        for group in score_groups(clips, FakeModel(), FakeExtractor(), batch_size=2, workers=1):
            file.append(group)
        journal = journal_path(path).read_bytes()
        file.finish(clips)
    beside = meta_path(path).read_bytes()
    journal_path(path).write_bytes(journal)
    score(str(path), clips)
    assert meta_path(path).read_bytes() == beside


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_file_of_an_older_version_is_read_with_a_warning(clips, suffix):
    path = Path("x" + suffix)
    score(str(path), clips)
    table = read_scores(path)
    meta = json.loads(meta_path(path).read_text())
    del meta[WHOLE]
    meta_path(path).write_text(json.dumps(meta))
    with pytest.warns(UserWarning, match="of an older version: nothing tells whether all of it"):
        assert read_scores(path).equals(table)


def test_a_parquet_file_of_an_older_version_is_read_with_a_warning(clips):
    from pyarrow import parquet

    score("x.parquet", clips)
    table = read_scores(Path("x.parquet"))
    parquet.write_table(table, "x.parquet")
    with pytest.warns(UserWarning, match="of an older version"):
        assert read_scores(Path("x.parquet")).equals(table)


def test_a_whole_file_is_read_without_a_warning(clips):
    for suffix in FORMATS:
        score("x" + suffix, clips)
        with warnings.catch_warnings(action="error"):
            assert len(read_scores(Path("x" + suffix))) == 6


def test_no_changed_byte_of_a_journal_is_believed(clips):
    score("x.csv", clips)
    whole = Path("x.csv").read_bytes()
    for file in ("x.csv", "x.csv.meta.json"):
        Path(file).unlink()
    score("x.csv", clips, groups=2)
    journal = journal_path(Path("x.csv")).read_bytes()
    first = journal.index(b"\n") + 1
    draw = random.Random(0)
    for _ in range(150):
        at, bit = draw.randrange(len(journal)), 1 << draw.randrange(8)
        journal_path(Path("x.csv")).write_bytes(
            journal[:at] + bytes([journal[at] ^ bit]) + journal[at + 1 :]
        )
        if at < first:  # hours of work may follow: no silent start from nothing
            with pytest.raises(ScoringError, match="damaged in its first line"):
                score("x.csv", clips)
            journal_path(Path("x.csv")).unlink()
            continue
        assert len(score("x.csv", clips)) < 4
        assert Path("x.csv").read_bytes() == whole
        for file in ("x.csv", "x.csv.meta.json"):
            Path(file).unlink()


def test_of_a_damaged_journal_line_only_its_own_clips_are_scored_again(clips):
    score("x.csv", clips, groups=2)
    lines = journal_path(Path("x.csv")).read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"scored", b"scoreD")
    journal_path(Path("x.csv")).write_bytes(b"".join(lines) + b"cut of")
    assert score("x.csv", clips) == clips[2:4]
    assert len(read_scores(Path("x.csv"))) == 6


def test_a_journal_of_an_older_version_is_gone_on_with(clips):
    score("x.csv", clips, groups=2)
    lines = journal_path(Path("x.csv")).read_bytes().splitlines(keepends=True)
    journal_path(Path("x.csv")).write_bytes(b"".join(line[9:] for line in lines))
    assert score("x.csv", clips) == clips[:4]
    assert len(read_scores(Path("x.csv"))) == 6


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.EIO, "Input/output error"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("killed", [False, True])
def test_a_passing_error_is_a_row_now_and_a_score_in_the_next_run(
    clips, monkeypatch, error, hidden, killed
):
    score("whole.csv", clips)

    def fail(file, name, *limits):
        if name != clips[1]:
            return stream(file, name, *limits)
        if hidden:
            raise AudioError(f"{name}: cannot be decoded") from error
        raise error

    stream = prepared.Stream
    monkeypatch.setattr(prepared, "Stream", fail)
    score("x.csv", clips, groups=1 if killed else None)
    if not killed:
        row = read_scores(Path("x.csv")).to_pylist()[1]
        assert row["outcome"] == "decode_error"
        assert row["error"].startswith("not read this time: ")
        assert score("x.csv", clips) == [clips[0], *clips[2:]]  # once more, in vain
    monkeypatch.setattr(prepared, "Stream", stream)
    score("x.csv", clips)
    found, whole = (read_scores(Path(name)) for name in ("x.csv", "whole.csv"))
    same = [name for name in whole.column_names if name not in HEADS]  # batches were others
    assert found.select(same).equals(whole.select(same))
    assert not any(found[head].null_count for head in HEADS)


def test_a_folder_that_is_deleted_midway_is_noticed_with_the_next_group(clips):
    Path("out").mkdir()
    with (
        pytest.raises(ScoringError, match="was deleted while this run wrote to it"),
        ScoreFile(Path("out/x.csv"), PROVENANCE) as file,
    ):
        for group in score_groups(clips, FakeModel(), FakeExtractor(), batch_size=2, workers=1):
            file.append(group)
            journal_path(Path("out/x.csv")).unlink()
            Path("out").rmdir()
    assert not Path("out").exists()
