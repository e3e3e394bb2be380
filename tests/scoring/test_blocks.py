"""Many inputs as blocks of clips: files, Parquet, WebDataset, addresses; scored without Ray."""

import errno
import io
import os
import tarfile
from fnmatch import fnmatch
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from pyarrow import parquet

from modeling_empathic.scoring import blocks
from modeling_empathic.scoring.blocks import (
    SUFFIXES,
    Block,
    clips_of,
    list_address,
    plan_blocks,
)
from modeling_empathic.scoring.cuts import Cuts
from modeling_empathic.scoring.listing import ScoringError, find_audio
from modeling_empathic.scoring.names import path_text
from modeling_empathic.scoring.prepared import THIS_TIME
from modeling_empathic.scoring.ray_engine import Work, score_block
from tests.support.scoring_fakes import HEADS, FakeExtractor, FakeModel, write_parquet, write_tar


def rows_of(paths, batch_size=4):
    """Rows and names of clips, block after block, by a model that takes no time."""
    model, extractor = FakeModel(), FakeExtractor()
    provenance = {"model": "fake", "heads": list(HEADS)}
    work = Work({}, {}, provenance, batch_size, Cuts(), {})
    rows = []
    for block in plan_blocks(paths, path_text, "", batch_size):
        block = Block.from_json(block.as_json())
        part = score_block(block, work, model, extractor)
        rows += parquet.read_table(io.BytesIO(part)).to_pylist()
    return rows


def test_clips_of_a_parquet_file_and_of_a_tar_are_scored_as_the_files_that_they_hold(clips):
    write_parquet(Path("shard.parquet"), clips, row_group_size=4)
    write_tar(Path("shard.tar"), clips)
    files, rows, members = map(rows_of, (clips, ["shard.parquet"], ["shard.tar"]))
    assert [row["path"] for row in rows] == [f"shard.parquet#{i}" for i in range(10)]
    assert [row["path"] for row in members] == [f"shard.tar#{clip}" for clip in clips]
    for found in (rows, members):
        assert [row | {"path": ""} for row in found] == [row | {"path": ""} for row in files]


def test_what_is_damaged_becomes_a_row_and_the_clips_before_it_stay(clips):
    write_parquet(Path("empty.parquet"), [clips[0], None, clips[1]])
    write_tar(Path("cut.tar"), clips)
    with Path("cut.tar").open("rb+") as file:
        file.truncate(Path("cut.tar").stat().st_size // 2)
    Path("none.parquet").write_bytes(b"PAR1 and nothing more")
    Path("none.tar").write_bytes(b"no archive at all")
    of = {name: rows_of([name]) for name in ("empty.parquet", "cut.tar", *NOTHING)}
    outcomes = {name: [row["outcome"] for row in rows] for name, rows in of.items()}
    assert outcomes["empty.parquet"] == ["scored", "decode_error", "scored"]
    assert "no bytes" in of["empty.parquet"][1]["error"]
    assert outcomes["cut.tar"][:4] == ["scored"] * 4
    assert outcomes["cut.tar"][-1] == "decode_error"
    for name in NOTHING:
        assert outcomes[name] == ["decode_error"] and "damaged" in of[name][0]["error"]


NOTHING = ("none.parquet", "none.tar")


def test_a_member_that_says_it_has_more_than_any_disk_is_where_the_tar_ends(clips):
    write_tar(Path("endless.tar"), clips[:2])
    endless = tarfile.TarInfo("last.wav")
    endless.size = 2**62
    with Path("endless.tar").open("rb+") as file, tarfile.open(fileobj=file) as archive:
        archive.getmembers()
        file.seek(archive.offset)
        file.truncate()
        file.write(endless.tobuf(tarfile.GNU_FORMAT))
    rows = rows_of(["endless.tar"])
    assert [row["outcome"] for row in rows] == ["scored"] * 2 + ["decode_error"] * 2
    assert "more than 1 GB" in rows[2]["error"] and "unexpected end" in rows[3]["error"]


def test_a_network_that_fails_in_a_tar_stops_the_run_and_loses_no_clip(clips, monkeypatch):
    def broken(path):
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    write_tar(Path("far.tar"), clips)
    monkeypatch.setattr(blocks, "_open", broken)
    with pytest.raises(ScoringError, match=r"far\.tar: .*reset by peer; the same run goes on"):
        rows_of(["far.tar"])


def test_members_of_a_tar_that_are_no_clips_are_passed_over_and_links_are_not_followed(clips):
    with tarfile.open("odd.tar", "w") as archive:
        archive.add(clips[0], "../../up.wav")
        archive.add(clips[1], "twice.wav")
        archive.add(clips[2], "twice.wav")
        archive.add(__file__, "notes.json")
        link = tarfile.TarInfo("link.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    rows = rows_of(["odd.tar"])
    names = ["../../up.wav", "twice.wav", "twice.wav (2)", "link.wav"]
    assert [row["path"] for row in rows] == [f"odd.tar#{name}" for name in names]
    assert "no file" in rows[-1]["error"]


def test_a_parquet_file_without_audio_stops_the_run_before_it_begins(tmp_path):
    parquet.write_table(pa.table({"text": ["a"]}), tmp_path / "text.parquet")
    with pytest.raises(ScoringError, match=r"no column of audio.* in text"):
        plan_blocks([str(tmp_path / "text.parquet")], path_text, "", 4)


def test_a_block_is_another_once_a_file_or_what_scores_depend_on_changes(clips):
    def digests(made_by="a"):
        return [block.digest for block in plan_blocks(clips, path_text, made_by, 1)]

    first = digests()
    assert len(first) == 2 and digests() == first
    assert not set(digests("b")) & set(first)
    os.utime(clips[9], ns=(1, 1))
    assert digests()[0] == first[0] and digests()[1] != first[1]


def test_addresses_are_listed_and_read_by_the_file_system_that_they_name(clips):
    write_tar(Path("clips/more.tar"), clips[:2])
    folder = Path("clips").resolve()
    found = find_audio([f"file://{folder}"], suffixes=SUFFIXES, at_address=list_address)
    assert found == [f"file://{folder}/{i}.wav" for i in range(10)] + [f"file://{folder}/more.tar"]
    assert list_address(f"file://{folder}/[01].wav", SUFFIXES) == found[:2]
    Path("clips/9.wav").unlink()
    rows, direct = rows_of(found), rows_of(clips[:9])
    assert [row["Anger"] for row in rows[:9]] == [row["Anger"] for row in direct]
    assert rows[9]["outcome"] == "decode_error" and rows[10]["outcome"] == "scored"
    with pytest.raises(ScoringError, match="no such file or folder"):
        list_address(f"file://{folder}/none", SUFFIXES)
    with pytest.raises(ScoringError, match="at host has a user or password") as raised:
        list_address("https://me:secret@host/a.wav", SUFFIXES)
    assert "secret" not in str(raised.value)
    gone = f"file://{folder}/gone.wav"
    assert find_audio([gone], listed=True, suffixes=SUFFIXES, at_address=list_address) == [gone]
    with pytest.raises(ScoringError, match="nowhere"):
        list_address("nowhere://bucket/clips", SUFFIXES)


class ClientError(Exception):
    """As botocore's, which are no errors of the operating system."""


@pytest.fixture
def bucket(clips):
    """A file system at `bucket://`: its files, and the calls that are to fail."""
    import fsspec

    class Bucket(fsspec.AbstractFileSystem):
        protocol = "bucket"
        files: ClassVar[dict[str, bytes]] = {"a/0.wav": Path(clips[0]).read_bytes()}
        failing: ClassVar[set[str]] = set()

        def call(self, name):
            if name in self.failing:
                raise ClientError("no credentials\nhttps://docs")

        def info(self, path, **_):
            self.call("info")
            if path not in self.files:
                raise FileNotFoundError(path)
            return {"name": path, "type": "file", "size": len(self.files[path])}

        def find(self, path, **_):
            self.call("find")
            return [file for file in self.files if file.startswith(path)]

        def glob(self, path, **_):
            self.call("glob")
            return [file for file in self.files if fnmatch(file, path)]

        def _open(self, path, mode="rb", **_):
            self.call("open")
            return io.BytesIO(self.files[path])

    fsspec.register_implementation("bucket", Bucket, clobber=True)
    return Bucket


@pytest.mark.parametrize("address", ["bucket://a", "bucket://a/*.wav"])
def test_a_file_system_that_fails_in_its_own_words_is_one_line(bucket, address):
    assert list_address(address, SUFFIXES) == ["bucket://a/0.wav"]
    bucket.failing.update({"glob", "find"})
    with pytest.raises(ScoringError, match=r"^bucket://a.*: no credentials$"):
        list_address(address, SUFFIXES)


def test_a_clip_whose_file_system_fails_is_a_row_that_is_tried_again(bucket):
    assert rows_of(["bucket://a/0.wav"])[0]["outcome"] == "scored"
    bucket.failing.update({"info", "open"})
    (row,) = rows_of(["bucket://a/0.wav"])
    assert row["error"] == f"{THIS_TIME}no credentials"


@pytest.mark.parametrize("suffix", [".tar", ".parquet"])
def test_an_archive_whose_file_system_fails_ends_the_run_in_one_line(bucket, clips, suffix):
    (write_tar if suffix == ".tar" else write_parquet)(Path(f"x{suffix}"), clips[:2])
    bucket.files[f"a/x{suffix}"] = Path(f"x{suffix}").read_bytes()
    (block,) = plan_blocks([f"bucket://a/x{suffix}"], path_text, "", 4)
    bucket.failing.add("open")
    with pytest.raises(ScoringError, match="no credentials; the same run goes on from there"):
        list(clips_of(block))
