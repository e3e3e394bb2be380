"""What is wrong with a source or a built folder is named, and leaves nothing half-written."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from dataset_scripts.building.build import build
from dataset_scripts.building.manifest import BuildError, verify
from dataset_scripts.corpora.raw_release import RawReleaseError
from tests.support.raw_release_maker import make_raw_release, rewrite


@pytest.fixture
def small(tmp_path) -> Path:
    """A raw release of one clip a category, to be broken."""
    return make_raw_release(tmp_path / "small", 1 / 300, seconds=0.1, sounds=2)


def test_other_counts_than_published_are_all_named(small, tmp_path):
    with pytest.raises(BuildError) as refused:
        build(small, tmp_path / "bench")
    for part in (
        "clips 42 (published: 12,600)",
        "ratings 112 (published: 33,605)",
        "unanimous_present 16 (published: 4,692)",
        "emotion: Amusement 1 (published: 300)",
        "and 37 more",
    ):
        assert part in str(refused.value)
    assert list(tmp_path.iterdir()) == [small]


def no_audio(rows):
    rows[3]["audioId"] = None


def duplicate(rows):
    rows[5] = dict(rows[2])


def bad_label(rows):
    rows[4]["label"] = "__import__('os')"


def wrong_type(rows):
    for row in rows:
        row["label"] = 1
    return pa.schema([("audioId", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
                      ("label", pa.int64())])  # fmt: skip


def missing_column(rows):
    return pa.schema([("label", pa.string())])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_audio, r"train-00001-of-00003\.parquet, row 4: no audio"),
        (duplicate, r"train-00001-of-00003\.parquet, row 6: the audio and the emotion of "
                    r"train-00001-of-00003\.parquet, row 3 once more"),
        (bad_label, r"train-00001-of-00003\.parquet, row 5: label .* is not a list of"),
        (wrong_type, r"train-00001-of-00003\.parquet: column 'label' is int64, not string"),
        (missing_column, r"train-00001-of-00003\.parquet has no column 'audioId'"),
    ],
)  # fmt: skip
def test_bad_data_is_named_by_file_and_row_and_leaves_nothing(small, tmp_path, change, message):
    rewrite(small, change)
    with pytest.raises((RawReleaseError, BuildError), match=message):
        build(small, tmp_path / "bench", assert_counts=False)
    assert list(tmp_path.iterdir()) == [small]


def test_a_cut_off_raw_shard_is_named_and_leaves_nothing(small, tmp_path):
    shard = sorted((small / "data").glob("*.parquet"))[2]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(RawReleaseError, match=r"train-00002-of-00003\.parquet is not a whole"):
        build(small, tmp_path / "bench", assert_counts=False)
    assert list(tmp_path.iterdir()) == [small]


def test_a_flipped_byte_and_a_missing_shard_are_named(small, tmp_path):
    out = tmp_path / "bench"
    build(small, out, assert_counts=False)
    assert verify(out)["corpus"] == "bench"
    shard = out / "data" / "emotions-other-00000-of-00001.parquet"
    content = shard.read_bytes()
    shard.write_bytes(content[:5_000] + bytes([content[5_000] ^ 1]) + content[5_001:])
    with pytest.raises(BuildError, match=r"data/emotions-other-00000-of-00001\.parquet .* other b"):
        verify(out)
    shard.unlink()
    with pytest.raises(BuildError, match=r"other-00000-of-00001\.parquet is missing from"):
        build(small, out, assert_counts=False)
    shard.write_bytes(content)
    (out / "data" / "more.parquet").write_bytes(content)
    with pytest.raises(BuildError, match=r"data/more\.parquet .* is not in its manifest"):
        verify(out)


def test_a_manifest_cannot_lead_out_of_its_folder(small, tmp_path):
    out = tmp_path / "bench"
    build(small, out, assert_counts=False)
    manifest = json.loads((out / "manifest.json").read_text())
    for path in ("../secret", "/etc/hostname", "data/../../x.parquet"):
        manifest["files"] = {path: {"bytes": 1, "sha256": "0"}}
        (out / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(BuildError, match="which is no file of a built corpus"):
            verify(out)
    (out / "manifest.json").write_text("[]")
    with pytest.raises(BuildError, match=r"has no manifest\.json that can be read"):
        verify(out)


def test_an_unknown_corpus_and_an_impossible_size_are_refused(small, tmp_path):
    with pytest.raises(BuildError, match="unknown corpus 'big'; choose from bench, emodb, nemo"):
        build(small, tmp_path / "out", corpus="big")
    with pytest.raises(BuildError, match="max_shard_mb=0 is not a size"):
        build(small, tmp_path / "out", max_shard_mb=0)
