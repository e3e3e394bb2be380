"""What `build` makes of a raw release: the same bytes however often it was stopped, or nothing."""

import hashlib
import json
import signal
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from dataset_scripts.building import shards
from dataset_scripts.building.build import build
from dataset_scripts.building.manifest import BuildError
from dataset_scripts.corpora.bench import EMOTION, EmoNetVoiceBench
from dataset_scripts.corpora.clips import Acoustics
from modeling_empathic.report.files import locked
from modeling_empathic.taxonomy import BENCH_NAMES, EMOTION_NAMES, UserError
from tests.support.places import REPOSITORY
from tests.support.raw_release_maker import make_raw_release, rewrite

CONFIG_FILES = {
    "default": "data/emotions-*.parquet",
    "all": "data/*.parquet",
    "unanimous": "data/*-unanimous-*.parquet",
    "ratings": "ratings/*.parquet",
}
# A twentieth of the published 12,000, 12,600, 4,692 and 33,605, as the maker rounds them.
ROWS = {"default": 600, "all": 630, "unanimous": 235, "ratings": 1680}
OPTIONS = {"assert_counts": False, "max_shard_mb": 0.15}


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    return make_raw_release(tmp_path_factory.mktemp("raw") / "raw", 0.05, seconds=0.2)


@pytest.fixture(scope="module")
def built(raw, tmp_path_factory) -> Path:
    """Built in one go, in several shards; not to be changed."""
    out = tmp_path_factory.mktemp("built") / "bench"
    build(raw, out, **OPTIONS)
    return out


@pytest.fixture
def small(tmp_path) -> Path:
    """A raw release of one clip a category, to be broken."""
    return make_raw_release(tmp_path / "small", 1 / 300, seconds=0.1, sounds=2)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def load(folder: Path, config: str, cache: Path, **options):
    loaded = datasets.load_dataset(
        str(folder), config, split="test", cache_dir=str(cache), **options
    )
    if "audio" in loaded.features:
        audio = datasets.Audio(sampling_rate=44_100, decode=False)
        loaded = loaded.cast_column("audio", audio)
    return loaded


@pytest.mark.parametrize("config", CONFIG_FILES)
def test_every_configuration_loads_from_the_folder_streamed_or_not(built, tmp_path, config):
    loaded = load(built, config, tmp_path)
    assert len(loaded) == ROWS[config]
    assert list(load(built, config, tmp_path, streaming=True)) == list(loaded)


@pytest.mark.parametrize("config", CONFIG_FILES)
def test_the_builder_knows_description_citation_homepage_and_licence(built, config, tmp_path):
    info = datasets.load_dataset_builder(str(built), config, cache_dir=str(tmp_path)).info
    assert {name: getattr(info, name) for name in EmoNetVoiceBench.FACTS} == EmoNetVoiceBench.FACTS


def test_default_has_the_names_of_its_40_emotions_and_no_more(built, tmp_path):
    for streaming in (False, True):
        rows = load(built, "default", tmp_path, streaming=streaming)
        assert rows.features["emotion"].names == list(EMOTION_NAMES)
        assert {row["emotion"] for row in rows.select_columns("emotion")} == set(range(40))


def test_default_is_the_default(built):
    assert datasets.get_dataset_config_names(str(built)) == [
        "all",
        "default",
        "ratings",
        "unanimous",
    ]
    assert datasets.get_dataset_default_config_name(str(built)) == "default"


def test_every_clip_of_the_release_is_there_with_its_bytes(raw, built, tmp_path):
    shards_ = sorted((raw / "data").glob("*.parquet"))
    stored = [row for shard in shards_ for row in parquet.read_table(shard).to_pylist()]
    rows = load(built, "all", tmp_path)
    assert {row["audioId"]["bytes"] for row in stored} == {row["audio"]["bytes"] for row in rows}
    for row in rows:
        assert row["clip_id"] == hashlib.sha256(row["audio"]["bytes"]).hexdigest()
        assert row["audio"]["path"] == row["file_name"]
        assert row["file_name"].startswith(row["group"]) and len(row["group"]) == 8
        present = [rating["score"] > 0 for rating in row["ratings"]]
        assert row["unanimous_present"] == all(present)
        assert row["n_raters"] == len(present)


def test_ratings_are_those_of_the_clips(built, tmp_path):
    clips = load(built, "all", tmp_path).remove_columns("audio")
    ratings = load(built, "ratings", tmp_path)
    expected = [
        {"clip_id": clip["clip_id"], "emotion": clip["emotion"], **rating}
        for clip in clips
        for rating in clip["ratings"]
    ]
    assert list(ratings) == expected


def test_the_features_of_the_card_are_those_of_every_file(built):
    card = yaml.safe_load((built / "README.md").read_text().split("---")[1])
    info = {entry["config_name"]: entry for entry in card["dataset_info"]}
    assert {c["config_name"]: c["data_files"][0]["path"] for c in card["configs"]} == CONFIG_FILES
    for config, pattern in CONFIG_FILES.items():
        features = datasets.Features._from_yaml_list(info[config]["features"])
        files = list(built.glob(pattern))
        assert files
        names = list(EMOTION_NAMES if config == "default" else BENCH_NAMES)
        assert features["emotion"].names == names  # those that the configuration has
        whole = datasets.Features({**features, "emotion": EMOTION})
        for file in files:
            schema = parquet.read_schema(file)
            assert datasets.Features.from_arrow_schema(schema) == whole
            assert whole.arrow_schema == schema
        assert info[config]["splits"][0]["num_examples"] == ROWS[config]


def test_shards_are_written_as_the_hub_likes_them(built):
    files = sorted((built / "data").glob("*.parquet"))
    assert len(files) > 8  # so that the other tests see more than one shard a group
    for file in files:
        opened = parquet.ParquetFile(file)
        group = opened.metadata.row_group(0)
        assert group.num_rows == min(100, opened.metadata.num_rows)
        audio = group.column(opened.schema.names.index("bytes"))
        assert (audio.path_in_schema, audio.compression) == ("audio.bytes", "UNCOMPRESSED")
        assert audio.has_offset_index
        assert b"content_defined_chunking" in opened.metadata.metadata
        assert file.stat().st_size < 0.25e6


def test_nothing_names_this_machine_and_nothing_is_a_loading_script(built):
    names = contents(built)
    assert not [name for name in names if name.endswith(".py")]
    for name in ("README.md", "manifest.json"):
        assert str(built.parent) not in (built / name).read_text()
    manifest = json.loads((built / "manifest.json").read_text())
    assert manifest["source"] == {"name": "raw", "revision": None}
    assert set(manifest["files"]) == set(names) - {"manifest.json"}
    assert manifest["counts"]["clips"] == 630


def test_two_builds_have_the_same_bytes(raw, built, tmp_path):
    build(raw, tmp_path / "again", **OPTIONS)
    assert contents(tmp_path / "again") == contents(built)


def test_a_build_killed_half_way_and_started_again_has_the_bytes_of_one_build(raw, built, tmp_path):
    out, work = tmp_path / "bench", tmp_path / ".bench.building"
    script = (
        "import os, signal\n"
        "from dataset_scripts.building.build import build\n"
        "told = []\n"
        "def progress(done, total):\n"
        "    told.append(done)\n"
        "    if done > 0.5 * total and told.count(done) == 2:\n"  # a clip after a finished shard
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        f"build({str(raw)!r}, {str(out)!r}, **{OPTIONS!r}, progress=progress)\n"
    )
    root = REPOSITORY
    killed = subprocess.run([sys.executable, "-c", script], cwd=root)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    finished = json.loads((work / "journal.json").read_text())["files"]
    assert 0 < len(finished) < len(contents(built)) - 2
    assert list(work.rglob("*.tmp"))  # shards that were half written
    assert build(raw, out, **OPTIONS).n_written == len(contents(built)) - 1 - len(finished)
    assert contents(out) == contents(built)
    assert list(tmp_path.iterdir()) == [out]


def test_what_is_told_of_the_progress_is_what_is_written(raw, tmp_path):
    told = []
    build(raw, tmp_path / "bench", **OPTIONS, progress=lambda *counts: told.append(counts))
    assert told[0][0] == 0 and told[-1] == (told[0][1], told[0][1])
    shards = [
        parquet.read_metadata(path).num_rows for path in (tmp_path / "bench/data").glob("*.parquet")
    ]
    assert {done for done, _ in told[1:]} <= {
        sum(part) for n in range(len(shards) + 1) for part in combinations(shards, n)
    }


def test_a_build_that_goes_on_starts_with_what_was_written_before(raw, tmp_path):
    interrupted(raw, tmp_path / "bench")
    told = []
    build(raw, tmp_path / "bench", **OPTIONS, progress=lambda *counts: told.append(counts))
    assert told[0][0] > 0.5 * told[0][1]


def interrupted(raw: Path, out: Path) -> Path:
    def progress(done: int, total: int) -> None:
        if done > 0.9 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(raw, out, **OPTIONS, progress=progress)
    return out.with_name(f".{out.name}.building")


def test_a_finished_shard_that_was_damaged_meanwhile_is_made_again(raw, built, tmp_path):
    work = interrupted(raw, tmp_path / "bench")
    first = min((work / "built" / "data").glob("*.parquet"))
    first.write_bytes(first.read_bytes()[:-1] + b"?")
    build(raw, tmp_path / "bench", **OPTIONS)
    assert contents(tmp_path / "bench") == contents(built)


def test_what_another_build_left_is_not_used(raw, built, small, tmp_path):
    work = interrupted(raw, tmp_path / "bench")
    assert list(work.rglob("*.parquet"))
    build(small, tmp_path / "bench", assert_counts=False)
    build(small, tmp_path / "clean", assert_counts=False)
    assert contents(tmp_path / "bench") == contents(tmp_path / "clean")


def test_a_second_run_finds_nothing_to_do(raw, built):
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    manifest, n_written = build(raw, built, **OPTIONS)
    assert n_written == 0
    assert manifest == json.loads((built / "manifest.json").read_text())
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before
    assert list(built.parent.iterdir()) == [built]


def test_a_build_killed_after_its_last_step_is_a_finished_one(raw, built):
    work = built.with_name(f".{built.name}.building")
    work.mkdir()
    (work / "journal.json").write_text("{}")
    assert build(raw, built, **OPTIONS).n_written == 0
    assert not work.exists()


def test_another_source_or_another_setting_is_not_mixed_in(raw, built, small):
    with pytest.raises(BuildError, match="was built with other source files"):
        build(small, built, **OPTIONS)
    with pytest.raises(BuildError, match="was built with other settings"):
        build(raw, built, assert_counts=False)
    assert not list(built.parent.glob(".*"))


def test_two_builds_of_one_folder_do_not_meet(raw, tmp_path):
    work = tmp_path / ".bench.building"
    work.mkdir()
    (work / "journal.json").write_text("the other's")
    with (
        locked(tmp_path / "bench"),
        pytest.raises(UserError, match="another run is writing bench"),
    ):
        build(raw, tmp_path / "bench", **OPTIONS)
    assert (work / "journal.json").read_text() == "the other's"


def test_a_folder_with_other_things_in_it_is_not_touched(raw, tmp_path):
    mine = tmp_path / "out" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(BuildError, match=r"exists and has no manifest\.json"):
        build(raw, mine.parent, **OPTIONS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert list(tmp_path.iterdir()) == [mine.parent]


def test_the_same_audio_judged_for_two_emotions_is_two_clips(small, tmp_path):
    def same_audio(rows):
        rows[5]["audioId"] = dict(rows[2]["audioId"])

    rewrite(small, same_audio)
    manifest, _ = build(small, tmp_path / "bench", assert_counts=False)
    assert manifest["counts"]["clips"] == 42


def test_a_group_without_clips_makes_no_configuration(small, tmp_path):
    for file in (small / "data").glob("*.parquet"):
        rows = [{**row, "label": "[{'a': {'Awe': 0}}, {'b': {'Awe': 0}}]"}
                for row in parquet.read_table(file).to_pylist()]  # fmt: skip
        parquet.write_table(pa.Table.from_pylist(rows, parquet.read_schema(file)), file)
    build(small, tmp_path / "bench", assert_counts=False)
    names = datasets.get_dataset_config_names(str(tmp_path / "bench"))
    assert names == ["all", "default", "ratings"]
    assert len(load(tmp_path / "bench", "all", tmp_path / "cache")) == 42


def test_acoustic_features_become_columns_and_what_is_absent_is_nan(small, tmp_path):
    def measure(clips):
        return [{"bytes": float(len(clip))} for clip in clips]

    out = tmp_path / "bench"
    acoustics = Acoustics(("bytes", "level_db"), measure)
    build(small, out, assert_counts=False, acoustics=acoustics)
    for row in load(out, "all", tmp_path / "cache"):
        assert row["acoustics_bytes"] == len(row["audio"]["bytes"])
        assert row["acoustics_level_db"] != row["acoustics_level_db"]
    assert "acoustics_level_db" in (out / "README.md").read_text()
    with pytest.raises(BuildError, match="was built with other settings"):
        build(small, out, assert_counts=False)


def test_a_row_group_ends_before_it_holds_too_much_audio(small, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "BYTES_A_GROUP", 10_000)
    build(small, tmp_path / "bench", assert_counts=False)
    for file in (tmp_path / "bench" / "data").glob("emotions-*.parquet"):
        metadata = parquet.ParquetFile(file).metadata
        assert metadata.num_row_groups > 1
        assert max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)) < 8
