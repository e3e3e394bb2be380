"""Every corpus goes through the same checks: what it says of itself, what is built, and how."""

import hashlib
import sys
from pathlib import Path

import datasets
import pytest
from pyarrow import parquet

from dataset_scripts.building.build import build
from dataset_scripts.corpora import CORPORA, corpus_class
from tests.support.raw_release_maker import make_raw_release
from tests.support.scoring_fakes import write_clips

EMODB_NAMES = ("03a01Fa.wav", "03a01Wb.wav", "08b10Tc.wav", "16a07Na.wav")
NEMO_NAMES = ("EB0_anger_15.wav", "WR0_surprised_7.wav", "KS0_neutral_90.flac")
RAVDESS_NAMES = ("03-01-06-01-02-01-12", "03-01-01-01-01-02-01", "03-02-03-01-01-01-01")


def emodb(folder: Path) -> Path:
    return write_clips(folder, EMODB_NAMES)


def nemo(folder: Path) -> Path:
    return write_clips(folder, NEMO_NAMES)


def ravdess(folder: Path) -> Path:
    return write_clips(folder, [f"Actor_{name[-2:]}/{name}.wav" for name in RAVDESS_NAMES])


def bench(folder: Path) -> Path:
    return make_raw_release(folder, scale=1 / 300, seconds=0.1, sounds=3)


SOURCES = {"bench": bench, "emodb": emodb, "nemo": nemo, "ravdess": ravdess}
ROWS = {"bench": 40, "emodb": 4, "nemo": 3, "ravdess": 2}


@pytest.fixture(scope="module", params=CORPORA)
def case(request, tmp_path_factory):
    """Name, source and built folder of a corpus; torchcodec cannot be imported meanwhile."""
    folder = tmp_path_factory.mktemp("case")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchcodec", None)
        source = SOURCES[request.param](folder / "source")
        build(source, folder / "built", corpus=request.param, assert_counts=False)
        yield request.param, source, folder / "built"


def load(built: Path, cache: Path, split: str, config: str | None = None, **options):
    loaded = datasets.load_dataset(str(built), config, split=split, cache_dir=str(cache), **options)
    if "audio" not in loaded.features:
        return loaded
    rate = loaded.features["audio"].sampling_rate
    return loaded.cast_column("audio", datasets.Audio(sampling_rate=rate, decode=False))


def source_bytes(source: Path) -> set[bytes]:
    files = [path for path in source.rglob("*") if path.is_file()]
    if files[0].suffix != ".parquet":
        return {path.read_bytes() for path in files}
    tables = [parquet.read_table(path) for path in files]
    return {row["bytes"] for table in tables for row in table["audioId"].to_pylist()}


def test_it_says_what_it_is_whose_and_under_what_licence(case):
    corpus = corpus_class(case[0])
    assert len(corpus.FACTS["description"]) > 80
    assert corpus.FACTS["citation"].lstrip().startswith("@") and "year" in corpus.FACTS["citation"]
    assert corpus.FACTS["homepage"].startswith("http")
    assert corpus.FACTS["license"]
    assert {"pretty_name", "license", "language", "task_categories"} <= set(corpus.CARD)
    assert corpus.NOTES
    readme = (case[2] / "README.md").read_text()
    assert all(fact.strip().rstrip(".") in readme for fact in corpus.FACTS.values())


def test_features_are_typed(case, tmp_path):
    corpus = corpus_class(case[0])
    features = load(case[2], tmp_path, corpus.SPLIT).features
    assert list(features)[:3] == ["clip_id", "audio", "file_name"]
    assert features["audio"].sampling_rate in (16_000, 24_000, 44_100, 48_000)
    assert isinstance(features[corpus.TARGET], datasets.ClassLabel)


def test_the_bytes_are_those_of_the_source_and_the_id_is_their_checksum(case, tmp_path):
    name, source, built = case
    dataset = load(built, tmp_path, corpus_class(name).SPLIT)
    assert len(dataset) == ROWS[name]
    known = source_bytes(source)
    for row in dataset:
        assert row["audio"]["bytes"] in known
        assert row["clip_id"] == hashlib.sha256(row["audio"]["bytes"]).hexdigest()
        assert row["audio"]["path"] == row["file_name"] == Path(row["file_name"]).name


def test_it_gives_the_same_bytes_twice(case, tmp_path):
    name, source, built = case
    build(source, tmp_path / "again", corpus=name, assert_counts=False)
    files = sorted(path.relative_to(built) for path in built.rglob("*") if path.is_file())
    assert len(files) > 2
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (built / file).read_bytes()


def test_streamed_equals_downloaded_in_every_configuration(case, tmp_path):
    name, _, built = case
    corpus = corpus_class(name)
    assert set(datasets.get_dataset_config_names(str(built))) == set(corpus.CONFIG_FILES)
    for config in corpus.CONFIG_FILES:
        streamed = load(built, tmp_path, corpus.SPLIT, config, streaming=True)
        assert list(streamed) == list(load(built, tmp_path, corpus.SPLIT, config))
        assert streamed.features is not None


def test_a_folder_without_the_corpus_is_refused(case, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no "):
        corpus_class(case[0]).files(tmp_path / "empty")


def test_only_bench_has_revisions(case):
    with pytest.raises(ValueError, match="revision"):
        corpus_class(case[0]).files(case[1], "main")


def test_the_configurations_of_bench_are_views_of_one_release(tmp_path):
    build(bench(tmp_path / "raw"), tmp_path / "built", assert_counts=False)

    def view(config: str):
        return load(tmp_path / "built", tmp_path / "cache", "test", config)

    everything = view("all")
    assert len(everything) == 42
    names = everything.features["emotion"].names
    assert len(names) == 42 and names[40:] == ["Arousal", "Authenticity"]
    default = view("default")
    assert list(default["clip_id"]) == [row["clip_id"] for row in everything if row["emotion"] < 40]
    unanimous = view("unanimous")
    wanted = [row["clip_id"] for row in everything if min(r["score"] for r in row["ratings"]) > 0]
    assert wanted and list(unanimous["clip_id"]) == wanted
    ratings = view("ratings")
    assert list(ratings.features) == ["clip_id", "emotion", "rater", "score"]
    assert len(ratings) == sum(everything["n_raters"])
    with pytest.raises(ValueError, match="'nope' not found"):
        view("nope")
