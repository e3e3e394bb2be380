"""What is packed loads as a data set, grows without being rewritten, and is told in hours."""

import json
import shutil

import pytest
from pyarrow import parquet

from dataset_scripts.building.manifest import BuildError, verify
from dataset_scripts.building.shards import ShardWriter
from dataset_scripts.packing.big import FEATURES
from dataset_scripts.packing.clips import PackingError
from dataset_scripts.packing.pack import pack
from dataset_scripts.packing.scores import annotate
from dataset_scripts.packing.sources import read
from modeling_empathic.report.files import locked, sha256
from modeling_empathic.taxonomy import EMOTION_NAMES, UserError
from tests.support.big_maker import (
    clip_rows,
    judge,
    make_clips,
    make_packed,
    make_scored,
    write_clips,
)
from tests.support.command import run_command
from tests.support.tiny_whisper import tiny_whisper_fixture  # noqa: F401

REPO = "laion/emonet-voice-big-packed"


@pytest.fixture
def out(tmp_path):
    return make_scored(tmp_path / "out", 12)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return make_packed(tmp_path_factory.mktemp("packed"), 2)


def rows_of(packed, pattern="*"):
    files = sorted((packed / "data").glob(f"{pattern}.parquet"))
    return [row for file in files for row in parquet.read_table(file).to_pylist()]


def test_each_clip_goes_to_its_configuration_with_its_bytes_and_scores(out, tmp_path):
    clips = clip_rows(out)
    acted = make_scored(tmp_path / "acted", 2, first=50, part="acting_challenge")
    wild = make_scored(tmp_path / "wild", 1, first=60, language=None, target_emotion=None)
    manifest, n_new = pack([out, acted, wild], tmp_path / "packed")
    assert (n_new, manifest["counts"]["clips"]) == (15, 15)
    counts = {name: len(rows_of(tmp_path / "packed", f"{name}-*")) for name in
              ("en", "de", "es", "fr", "acting_challenge", "other")}  # fmt: skip
    assert counts == {"en": 3, "de": 3, "es": 3, "fr": 3, "acting_challenge": 2, "other": 1}
    row = rows_of(tmp_path / "packed", "de-*")[0]
    assert row["audio"]["bytes"] == (out / clips[1]["path"]).read_bytes()
    assert (row["clip_id"], row["voice"], row["text"]) == (
        clips[1]["sha256"], "onyx", "This is text 1.",
    )  # fmt: skip
    assert EMOTION_NAMES[row["emotion"]] == clips[1]["target_emotion"]
    assert len(row["emotion_scores"]) == 40 and row["caption"]
    assert row["duration_s"] == pytest.approx(0.5, abs=0.01)
    assert rows_of(tmp_path / "packed", "other-*")[0]["emotion"] is None
    assert verify(tmp_path / "packed") == manifest


def test_more_clips_make_more_files_and_no_other_bytes(out, tmp_path):
    packed = tmp_path / "packed"
    pack([out], packed)
    before = {file: sha256(file) for file in (packed / "data").iterdir()}
    assert pack([out], packed).n_new == 0
    make_clips(out, 20)
    annotate(out, judge, {"annotator": "made up"})
    manifest, n_new = pack([out], packed)
    assert n_new == 8
    assert {file: sha256(file) for file in before} == before
    assert manifest["counts"] == {"clips": 20, "left out: a copy of a packed clip": 12}
    assert len(list((packed / "data").iterdir())) == 8
    assert len({row["clip_id"] for row in rows_of(packed)}) == 20
    whole = pack([out], tmp_path / "at once").manifest
    assert manifest["statistics"] == whole["statistics"]


def test_shards_are_as_large_as_asked_for(out, tmp_path):
    size = (out / clip_rows(out)[0]["path"]).stat().st_size
    manifest, _ = pack([out], tmp_path / "packed", max_shard_mb=2.1 * size / 1e6)
    assert [file["rows"] for file in manifest["files"].values() if "rows" in file] == [2, 1] * 4
    assert [path for path in manifest["files"] if "de" in path] == [
        "data/de-00000.parquet", "data/de-00001.parquet",
    ]  # fmt: skip


def test_what_is_left_out_is_counted_and_named(out, tmp_path):
    rows = clip_rows(out)
    rows[0] |= {"outcome": "silence", "reason": "nothing was heard"}
    copy = rows[1] | {"id": "copy"}
    fake = tmp_path / "out/audio/page.flac"
    fake.write_bytes(b"<html>quota</html>")
    page = rows[2] | {"id": "page", "path": "audio/page.flac", "sha256": sha256(fake)}
    write_clips(out, [*rows, copy, page, rows[3] | {"id": "late"}])
    full = parquet.read_table(out / "scores.parquet")
    annotate(out, judge, {"annotator": "made up"})
    assert len(parquet.read_table(out / "scores.parquet")) == len(full) + 2
    manifest, _ = pack([out], tmp_path / "packed")
    assert manifest["counts"] == {
        "clips": 11,
        "left out: a copy of a packed clip": 2,
        "left out: no audio": 1,
        "left out: not spoken: silence": 1,
    }
    left_out = manifest["sources"][0]["left_out"]
    assert left_out["a copy of a packed clip"]["first"] == ["copy", "late"]


def test_clips_that_nobody_scored_are_taken_only_where_that_is_wanted(tmp_path):
    out = make_clips(tmp_path / "out", 3)
    with pytest.raises(PackingError, match=r"has no scores\.parquet: annotate it first"):
        pack([out], tmp_path / "packed")
    assert not (tmp_path / ".packed.building").exists()
    assert pack([out], tmp_path / "packed", unscored=True).n_new == 3
    assert rows_of(tmp_path / "packed")[0]["emotion_scores"] is None


def test_what_is_in_the_way_or_was_changed_is_left_as_it_is(out, tmp_path):
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "notes.txt").write_text("mine")
    with pytest.raises(PackingError, match=r"exists and has no manifest\.json"):
        pack([out], packed)
    (packed / "notes.txt").unlink()
    pack([out], packed)
    shard = packed / "data/de-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(BuildError, match="is not the file that was built"):
        pack([out], packed)
    with locked(packed), pytest.raises(UserError, match="another run is writing packed"):
        pack([out], packed)
    with pytest.raises(PackingError, match="max_shard_mb=0 is not a size"):
        pack([out], packed, max_shard_mb=0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sources", None), ("sources", {}), ("sources", ["x"]), ("sources", [{"name": "x"}]),
        ("counts", []), ("counts", {"clips": "9"}), ("counts", {"clips": True}),
        ("statistics", None), ("statistics", {"voice": 5}), ("statistics", {"voice": {"x": [1]}}),
    ],
)  # fmt: skip
def test_a_strangers_manifest_is_not_added_to(key, value, packed, tmp_path):
    manifest = json.loads((packed / "manifest.json").read_text()) | {key: value}
    folder = shutil.copytree(packed, tmp_path / "packed")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PackingError, match="counts that are none"):
        pack([tmp_path], folder)


@pytest.mark.parametrize("journal", ["[", "[]", "5", '{"files": []}', '{"files": 5}'])
def test_a_journal_of_packing_that_says_nothing_is_left_alone(journal, out, tmp_path):
    (tmp_path / ".packed.building").mkdir()
    (tmp_path / ".packed.building/journal.json").write_text(journal)
    assert pack([out], tmp_path / "packed").n_new == 12


def test_a_full_disk_is_an_error_of_its_own_and_the_next_run_ends_in_the_same_bytes(out, tmp_path):
    resource = pytest.importorskip("resource")
    whole = pack([out], tmp_path / "whole").manifest
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))  # a shard takes 60,000
    try:
        with pytest.raises(OSError, match=r"File too large: .*parquet\.tmp"):
            pack([out], tmp_path / "packed")
        writer = ShardWriter(tmp_path / "alone/a.parquet", FEATURES)
        for found in read(out):
            writer.add(dict.fromkeys(FEATURES) | found.row | {"duration_s": 0.5})
        with pytest.raises(OSError, match="File too large"):
            writer.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not any((tmp_path / "alone").iterdir())
    assert not (tmp_path / "packed").exists()
    assert pack([out], tmp_path / "packed").manifest == whole


def test_the_command_shows_table_2_of_what_it_packed(out, tmp_path):
    code, printed, _ = run_command("big", "build", out, tmp_path / "packed")
    assert code == 0
    assert "Playtime by language" in printed and "English accents" in printed
    assert [line.split() for line in printed.splitlines() if line.startswith("German")] == [
        ["German", "(de)", "3", "0.000", "25.0", "%", "15.1", "%"]
    ]
    assert "12 clips, 12 of them new; 5 files" in printed
    assert "Languages" not in printed  # the same figures as those of the configurations
    code, printed, said = run_command("big", "build", out, tmp_path / "packed", "--json")
    assert json.loads(printed)["statistics"]["voice"]["nova"] == [4, 2000]
    assert "Nothing to add: every checksum holds" in said


def test_errors_of_the_command_are_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([tmp_path / "no", tmp_path / "packed"], "is not there"),
        ([tmp_path / "empty", tmp_path / "packed"], "no clip to pack in"),
    ):
        code, _, said = run_command("big", "build", *arguments)
        assert (code, said.count("\n")) == (2, 1)
        assert message in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


def test_it_loads_from_the_hub_by_configuration_streamed_as_downloaded(
    sources, local_hub, hub_client
):
    local_hub.add(REPO, sources.big)
    code = """
from datasets import Audio, load_dataset
def rows(config, streaming):
    data = load_dataset(repo, config, split="train", streaming=streaming)
    return list(data.cast_column("audio", Audio(decode=False)))
sizes = {config: len(rows(config, False)) for config in ("de", "all", None)}
same = rows("de", True) == rows("de", False)
result = [list(sizes.values()), same, rows("de", True)[0]["language"]]
"""
    assert hub_client(code, repo=REPO) == [[3, 12, 12], True, "de"]


def test_both_stages_of_training_take_it(sources):
    from modeling_empathic.training.caption_data import load_clips, with_captions
    from modeling_empathic.training.labels import read_labels

    clips = load_clips(sources.big, "train", config="de")
    captioned = with_captions(clips, lambda text: [len(text)])
    assert captioned.facts["own_captions"] == 3 and captioned.scores.shape == (3, 40)
    labelled = read_labels(sources.big, heads=["Anger", "Awe"])
    assert len(labelled.clips) == 12 and set(labelled.speakers) == {"nova", "onyx", "sage"}
    assert 0 <= labelled.targets["Awe"].min() <= labelled.targets["Awe"].max() <= 4
    assert labelled.clips[0][:4] == b"fLaC"
    assert len(read_labels(sources.big, config="fr").clips) == 3


def test_with_a_shard_missing_or_damaged_no_training_begins(out, tmp_path, tiny_whisper):
    size = (out / clip_rows(out)[0]["path"]).stat().st_size
    packed = tmp_path / "packed"
    pack([out], packed, max_shard_mb=1.1 * size / 1e6)
    shard = packed / "data/de-00001.parquet"
    commands = (
        ("heads", "--data", packed, "--output", tmp_path / "heads", "--heads", "Anger"),
        ("encoder", packed, tmp_path / "encoder", "--model", tiny_whisper, "--eval-split", "train"),
    )
    for content, message in (
        (b"PAR1 and no more PAR1", "data "),
        (None, "11 clips are there, and its README counts 12: a file is missing"),
    ):
        shard.unlink()
        if content:
            shard.write_bytes(content)
        for command in commands:
            code, _, said = run_command("train", *command)
            assert code == 2 and message in said and said.count("\n") == 1, said
