"""Every builder goes through the same checks: what it says of itself, what it gives, and how."""

import hashlib
import sys
from pathlib import Path

import datasets
import pytest
from pyarrow import parquet

from dataset_scripts.corpora.bench import EmoNetVoiceBench
from dataset_scripts.corpora.emodb import EmoDB
from dataset_scripts.corpora.ravdess import RAVDESS
from tests.support.raw_release_maker import make_raw_release
from tests.support.scoring_fakes import write_clips

EMODB_NAMES = ("03a01Fa.wav", "03a01Wb.wav", "08b10Tc.wav", "16a07Na.wav")
RAVDESS_NAMES = ("03-01-06-01-02-01-12", "03-01-01-01-01-02-01", "03-02-03-01-01-01-01")


def emodb(folder: Path) -> Path:
    return write_clips(folder, EMODB_NAMES)


def ravdess(folder: Path) -> Path:
    return write_clips(folder, [f"Actor_{name[-2:]}/{name}.wav" for name in RAVDESS_NAMES])


def bench(folder: Path) -> Path:
    return make_raw_release(folder, scale=1 / 300, seconds=0.1, sounds=3)


BUILDERS = {EmoNetVoiceBench: bench, EmoDB: emodb, RAVDESS: ravdess}
ROWS = {EmoNetVoiceBench: 40, EmoDB: 4, RAVDESS: 2}


@pytest.fixture(scope="module", params=BUILDERS, ids=lambda builder: builder.__name__)
def case(request, tmp_path_factory):
    """A builder class and a source for it; torchcodec cannot be imported while it is used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchcodec", None)
        yield request.param, BUILDERS[request.param](tmp_path_factory.mktemp("source"))


def prepared(case, tmp_path: Path, config: str | None = None) -> datasets.Dataset:
    builder_class, source = case
    builder = builder_class(config_name=config, data_dir=str(source), cache_dir=str(tmp_path))
    builder.download_and_prepare()
    return undecoded(builder.as_dataset(builder_class.SPLIT))


def undecoded(dataset):
    if "audio" not in dataset.features:
        return dataset
    rate = dataset.features["audio"].sampling_rate
    return dataset.cast_column("audio", datasets.Audio(sampling_rate=rate, decode=False))


def source_bytes(source: Path) -> set[bytes]:
    files = [path for path in source.rglob("*") if path.is_file()]
    if files[0].suffix != ".parquet":
        return {path.read_bytes() for path in files}
    tables = [parquet.read_table(path) for path in files]
    return {row["bytes"] for table in tables for row in table["audioId"].to_pylist()}


def test_it_says_what_it_is_whose_and_under_what_licence(case, tmp_path):
    info = case[0](data_dir=str(case[1]), cache_dir=str(tmp_path)).info
    assert len(info.description) > 80
    assert info.citation.lstrip().startswith("@") and "year" in info.citation
    assert info.homepage.startswith("http")
    assert info.license
    assert {"pretty_name", "license", "language", "task_categories"} <= set(case[0].CARD)
    assert case[0].NOTES


def test_features_are_typed(case, tmp_path):
    features = prepared(case, tmp_path).features
    assert list(features)[:3] == ["clip_id", "audio", "file_name"]
    assert features["audio"].sampling_rate in (16_000, 44_100, 48_000)
    assert isinstance(features[case[0].TARGET], datasets.ClassLabel)


def test_the_bytes_are_those_of_the_source_and_the_id_is_their_checksum(case, tmp_path):
    dataset = prepared(case, tmp_path)
    assert len(dataset) == ROWS[case[0]]
    known = source_bytes(case[1])
    for row in dataset:
        assert row["audio"]["bytes"] in known
        assert row["clip_id"] == hashlib.sha256(row["audio"]["bytes"]).hexdigest()
        assert row["audio"]["path"] == row["file_name"] == Path(row["file_name"]).name


def test_it_gives_the_same_bytes_twice(case, tmp_path):
    builder_class, source = case
    digests = []
    for run in ("one", "two"):
        builder = builder_class(data_dir=str(source), cache_dir=str(tmp_path / f"{run} cache"))
        builder.download_and_prepare(str(tmp_path / run), file_format="parquet")
        files = sorted((tmp_path / run).glob("*.parquet"))
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] and digests[0] == digests[1]


def test_streamed_equals_downloaded_in_every_configuration(case, tmp_path):
    builder_class, source = case
    for config in builder_class.builder_configs or [None]:
        downloaded = prepared(case, tmp_path, config)
        builder = builder_class(config_name=config, data_dir=str(source), cache_dir=str(tmp_path))
        streamed = builder.as_streaming_dataset(builder_class.SPLIT)
        assert list(undecoded(streamed)) == list(downloaded)
        assert streamed.features is not None


def test_a_source_option_does_what_data_dir_does(case, tmp_path):
    builder_class, source = case
    builder = builder_class(source=str(source), cache_dir=str(tmp_path))
    streamed = undecoded(builder.as_streaming_dataset(builder_class.SPLIT))
    assert sum(1 for _ in streamed) == ROWS[builder_class]


def test_without_a_source_it_says_how_to_give_one(case, tmp_path):
    with pytest.raises(ValueError, match=rf"{case[0].__name__} needs data_dir= or source="):
        case[0](cache_dir=str(tmp_path)).as_streaming_dataset(case[0].SPLIT)


def test_a_folder_without_the_corpus_is_refused(case, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no "):
        case[0].files(tmp_path / "empty")


def test_only_bench_has_revisions(case):
    with pytest.raises(ValueError, match="revision"):
        case[0].files(case[1], "main")


def test_the_configurations_of_bench_are_views_of_one_release(tmp_path):
    case = EmoNetVoiceBench, bench(tmp_path / "raw")
    everything = prepared(case, tmp_path, "all")
    assert len(everything) == 42
    names = everything.features["emotion"].names
    assert len(names) == 42 and names[40:] == ["Arousal", "Authenticity"]
    default = prepared(case, tmp_path, "default")
    assert list(default["clip_id"]) == [row["clip_id"] for row in everything if row["emotion"] < 40]
    unanimous = prepared(case, tmp_path, "unanimous")
    wanted = [row["clip_id"] for row in everything if min(r["score"] for r in row["ratings"]) > 0]
    assert wanted and list(unanimous["clip_id"]) == wanted
    ratings = prepared(case, tmp_path, "ratings")
    assert list(ratings.features) == ["clip_id", "emotion", "rater", "score"]
    assert len(ratings) == sum(everything["n_raters"])
    with pytest.raises(ValueError, match="'nope' not found"):
        EmoNetVoiceBench(config_name="nope", data_dir=str(case[1]))
