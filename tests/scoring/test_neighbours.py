"""Clips alike in emotion: embeddings, exact search, and the index that is kept."""

import json
import shutil
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from modeling_empathic.scoring import neighbours as library
from modeling_empathic.scoring.neighbours import nearest
from modeling_empathic.taxonomy import UserError
from tests.support.command import run_command
from tests.support.places import REPOSITORY

CLIPS = REPOSITORY / "examples" / "clips"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in ("de_anger", "de_neutral", "en_doubt", "es_sadness"):
        shutil.copy(CLIPS / f"{name}.flac", folder)
    (folder / "bad.wav").write_bytes(b"not audio")
    return folder


def search(folder, *options):
    clip = folder / "de_anger.flac"
    code, out, error = run_command("neighbours", folder, "--clip", clip, *options, "--json")
    return code, out and json.loads(out), error


def test_the_clips_most_alike_are_found_and_the_clip_is_not_its_own_neighbour(folder, monkeypatch):
    code, rows, error = search(folder, "--top", "2", "--index", folder / "index.parquet")
    assert code == 1 and "bad.wav" in error  # one could not be read, and the rest go on
    assert len(rows) == 2 and rows[0]["alike"] >= rows[1]["alike"]
    assert not any("anger" in row["path"] for row in rows)
    encoded = []
    monkeypatch.setattr(library, "project_windows", lambda *_: encoded.append(1))
    code, again, _ = search(folder, "--top", "2", "--index", folder / "index.parquet")
    assert again == rows and not encoded
    code, _, error = search(folder, "--index", folder / "index.parquet", "--heads", "anger")
    assert code == 2 and "was made by another model (heads differ)" in error


def test_the_search_is_exact():
    vectors = np.random.default_rng(0).standard_normal((200, 16)).astype(np.float32)
    query = np.random.default_rng(1).standard_normal(16).astype(np.float32)
    centred, wanted = vectors - vectors.mean(0), query - vectors.mean(0)
    alike = [
        row @ wanted / np.linalg.norm(row) / np.linalg.norm(wanted) for row in centred.astype(float)
    ]
    numbers, cosines = nearest(vectors, query, 7)
    assert numbers.tolist() == np.argsort(alike)[::-1][:7].tolist()
    np.testing.assert_allclose(cosines, np.sort(alike)[::-1][:7], atol=1e-5)
    assert len(nearest(vectors[:3], query, 7)[0]) == 3


def test_what_is_no_index_is_not_written_over(folder, tmp_path):
    (tmp_path / "x.parquet").write_text("mine")
    code, _, error = search(folder, "--index", tmp_path / "x.parquet")
    assert code == 2 and "is no index of clips" in error
    assert (tmp_path / "x.parquet").read_text() == "mine"
    assert search(folder, "--index", tmp_path / "x.csv")[0] == 2


@pytest.mark.parametrize("n_others", [0, 3])
def test_a_copy_is_as_alike_as_can_be_whatever_else_there_is(n_others):
    drawn = np.random.default_rng(0).standard_normal((1 + n_others, 64)).astype(np.float32)
    copies = np.repeat(drawn[:1], 3, axis=0)
    numbers, cosines = nearest(np.concatenate([copies, drawn[1:]]), drawn[0], 3)
    assert numbers.tolist() == [0, 1, 2]
    assert cosines == pytest.approx([1, 1, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("about", "vectors"),
    [
        ("[]", [[1.0]]),
        ("{}", [[1.0], [1.0, 2.0]]),
        ("{}", [[1.0], [1.0, 2.0, 3.0]]),
        ("{}", [[1.0, None]]),
        ("{}", [[1.0], None]),
        ("{}", [[float("nan")]]),
        ("{}", ["a"]),
    ],
)
def test_an_index_that_is_damaged_is_one_line(about, vectors, tmp_path):
    names = [str(i) for i in range(len(vectors))]
    table = pa.table({"path": names, "clip_id": names, "embedding": vectors})
    table = table.replace_schema_metadata({library.METADATA_KEY: about})
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(UserError, match="is no index of clips"):
        library.read_index(tmp_path / "x.parquet", {})


def test_a_large_index_is_read_as_it_lies_and_not_as_python_s_numbers(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((1_000, 500)).astype(np.float32)
    clips = [library.Embedded(f"{i}.wav", str(i), vector) for i, vector in enumerate(vectors)]
    clips.append(library.Embedded("bad.wav", None, None, "not audio"))
    library.write_index(tmp_path / "x.parquet", clips, {"model": "m"})
    tracemalloc.start()
    known = library.read_index(tmp_path / "x.parquet", {"model": "m"})
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < vectors.nbytes  # which Arrow holds; a list of floats takes 32 bytes for each
    assert list(known) == [f"{i}.wav" for i in range(1_000)]
    np.testing.assert_array_equal(np.stack([clip.vector for clip in known.values()]), vectors)


def test_a_search_that_is_stopped_keeps_what_it_has(folder, tmp_path, monkeypatch):
    embed, stops = library.embed, True

    def stopped(paths, *rest, **options):
        found = embed(paths, *rest, **options)
        if len(paths) == 1 or not stops:  # the clip that is searched for
            yield from found
        else:
            yield from [next(found), next(found)]
            raise KeyboardInterrupt

    monkeypatch.setattr(library, "embed", stopped)
    code, _, error = search(folder, "--heads", "anger")
    assert code == 130 and "stopped: with --index it could go on" in error
    code, _, error = search(folder, "--heads", "anger", "--index", tmp_path / "x.parquet")
    assert code == 130 and "stopped: 2 clips are kept; run the same command to go on" in error
    assert parquet.read_table(tmp_path / "x.parquet").num_rows == 1  # the other is no sound
    stops = False
    assert len(search(folder, "--heads", "anger", "--index", tmp_path / "x.parquet")[1]) == 3


def test_an_index_of_nothing_is_one(tmp_path):
    library.write_index(tmp_path / "x.parquet", [], {})
    assert library.read_index(tmp_path / "x.parquet", {}) == {}
