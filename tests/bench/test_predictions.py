"""Prediction files and score files are read as what they are, or refused by name."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from evaluate_metrics.bench.predictions import described, read_predictions
from evaluate_metrics.bench.result import EvaluationError
from modeling_empathic.scoring.file import METADATA_KEY, score_schema, write_scores

ROWS = [
    {"clip_id": "a", "emotion": "Anger", "score": 7.5, "outcome": "scored"},
    {"clip_id": "a", "emotion": "Pleasure", "score": None, "outcome": "unmapped"},
    {"clip_id": "0012", "emotion": "Anger", "score": 0.0, "outcome": "scored"},
    {"clip_id": "0012", "emotion": "Pleasure", "score": None, "outcome": "refused"},
]


def written(path, rows=ROWS, **columns):
    """The rows as a prediction file of the kind that the suffix says."""
    table = pa.Table.from_pylist([row | columns for row in rows])
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row | columns) + "\n" for row in rows))
    return path


def scored(path, clips, heads=("Anger", "Awe"), **provenance):
    """A score file of `(path, clip_id, start_s, end_s, *scores)`; without scores, not decoded."""
    provenance = {"heads": list(heads), "model": "tiny", **provenance}
    rows = []
    for name, clip_id, start_s, end_s, *scores in clips:
        row = {"path": name, "clip_id": clip_id, "start_s": start_s, "end_s": end_s}
        row["duration_s"] = end_s
        row |= dict(zip(heads, scores, strict=False))
        rows.append(row | {"outcome": "scored" if scores else "decode_error"})
    write_scores(pa.Table.from_pylist(rows, score_schema(provenance)), path)
    return path


# --- prediction files -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_every_format_gives_the_same_rows(tmp_path, suffix):
    result = read_predictions(written(tmp_path / f"mine{suffix}"))
    assert result.rows.to_pylist() == [
        row | {"emotion": "Pleasure/Ecstasy"} if row["emotion"] == "Pleasure" else row
        for row in ROWS
    ]
    assert result.scale == "0-10"
    assert described(result.rows)["file"] == f"mine{suffix}"


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_without_an_outcome_every_row_is_scored(tmp_path, suffix):
    rows = [{key: row[key] for key in ("clip_id", "emotion", "score")} for row in ROWS[::2]]
    result = read_predictions(written(tmp_path / f"mine{suffix}", rows))
    assert result.rows["outcome"].to_pylist() == ["scored", "scored"]


def test_a_number_beside_a_failure_is_no_score(tmp_path):
    rows = [ROWS[0], ROWS[1] | {"score": 0.0}]
    result = read_predictions(written(tmp_path / "mine.parquet", rows))
    assert result.rows["score"].to_pylist() == [7.5, None]


def test_the_scale_comes_from_the_file_or_from_the_caller(tmp_path):
    plain, said = tmp_path / "plain.csv", tmp_path / "said.csv"
    assert read_predictions(written(plain), scale="0-1").scale == "0-1"
    assert read_predictions(written(said, scale="0-4")).scale == "0-4"
    with pytest.raises(EvaluationError, match="its scale is said to be 0-1 and 0-4"):
        read_predictions(said, scale="0-1")
    with pytest.raises(EvaluationError, match="scale '0-5' is not one of 0-10, 0-4, 0-1, 0-2"):
        read_predictions(plain, scale="0-5")


@pytest.mark.parametrize("score", [37.0, -0.5])
def test_scores_that_the_scale_nobody_named_cannot_hold_are_refused(tmp_path, score):
    percent = written(tmp_path / "percent.csv", [{**ROWS[0], "score": score}])
    with pytest.raises(EvaluationError, match=f"a score of {score:g} and does not say its scale"):
        read_predictions(percent)


@pytest.mark.filterwarnings("ignore:.*is of an older version")  # without a checksum
def test_scale_and_provenance_come_from_the_metadata(tmp_path):
    metadata = {METADATA_KEY: json.dumps({"scale": "0-2", "model": "gpt"}), b"scale": b"0-2"}
    table = pa.Table.from_pylist(ROWS).replace_schema_metadata(metadata)
    parquet.write_table(table, tmp_path / "mine.parquet")
    result = read_predictions(tmp_path / "mine.parquet")
    assert (result.scale, result.provenance["model"]) == ("0-2", "gpt")
    (tmp_path / "mine.csv.meta.json").write_text('{"scale": "0-1", "model": "hume"}')
    result = read_predictions(written(tmp_path / "mine.csv"))
    assert (result.scale, result.provenance["model"]) == ("0-1", "hume")


def test_all_emotions_means_a_row_for_every_clip_and_emotion(tmp_path):
    assert read_predictions(written(tmp_path / "a.csv")).all_emotions
    assert not read_predictions(written(tmp_path / "b.csv", ROWS[:3])).all_emotions
    assert not read_predictions(written(tmp_path / "c.csv", ROWS[::2])).all_emotions


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"emotion": "Aww"}, "mine.parquet, row 2: unknown name 'Aww'; nearest: Awe"),
        ({"emotion": None}, "mine.parquet, row 2 has no emotion"),
        ({"clip_id": None}, "mine.parquet, row 2 has no clip_id"),
        ({"outcome": "declined"}, "row 2 has an outcome that is none of scored, .*: 'declined'"),
        ({"outcome": "scored"}, "row 2 has the outcome scored, and no score"),
        ({"outcome": "scored", "score": float("inf")}, "row 2 has the outcome scored, and no"),
        ({"outcome": None}, "row 2 has neither score nor outcome; why not is one of refused"),
        ({"emotion": "anger"}, "1 pairs of clip and emotion more than once: a Anger"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(tmp_path, change, message):
    rows = [ROWS[0], ROWS[1] | change, *ROWS[2:]]
    with pytest.raises(EvaluationError, match=message):
        read_predictions(written(tmp_path / "mine.parquet", rows))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"outcome": [["refused"]]}, "column outcome holds lists"),
        ({"outcome": [[1]]}, "column outcome"),
        ({"scale": [["0-4"]]}, "column scale holds lists"),
        ({"score": [True]}, "true and false, no numbers"),
        ({"score": [[1.0]]}, "column score"),
        ({"clip_id": [{"a": 1}]}, "column clip_id"),
    ],
)
def test_a_column_of_another_type_is_named(tmp_path, columns, message):
    table = {"clip_id": ["a"], "emotion": ["Awe"], "score": [1.0]} | columns
    parquet.write_table(pa.table(table), tmp_path / "mine.parquet")
    with pytest.raises(EvaluationError, match=message):
        read_predictions(tmp_path / "mine.parquet")


@pytest.mark.parametrize("name", ["clip_id", "score", "outcome", "scale", "note"])
def test_a_column_that_is_there_twice_is_named(tmp_path, name):
    table = {"clip_id": ["a"], "emotion": ["Awe"], "score": [1.0]}
    table = pa.table(table | {key: ["0-10"] for key in ("outcome", "scale", "note")})
    parquet.write_table(table.append_column(name, table[name]), tmp_path / "mine.parquet")
    with pytest.raises(EvaluationError, match=f"the column {name} more than once"):
        read_predictions(tmp_path / "mine.parquet")


def test_two_spellings_of_one_emotion_are_the_same_row_twice(tmp_path):
    rows = [ROWS[0] | {"emotion": name} for name in ("Surprise", "Astonishment", "Awe")]
    with pytest.raises(EvaluationError, match="more than once: a Astonishment/Surprise"):
        read_predictions(written(tmp_path / "mine.csv", rows))


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match=r"nowhere\.csv: no such file"):
        read_predictions(tmp_path / "nowhere.csv")
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(EvaluationError, match=r"ends in \.parquet, \.jsonl, \.csv"):
        read_predictions(tmp_path / "mine.txt")
    (tmp_path / "a.csv").write_text("clip_id,label\na,Awe\n")
    with pytest.raises(EvaluationError, match="neither a prediction file"):
        read_predictions(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("clip_id,emotion\na,Awe\n")
    with pytest.raises(EvaluationError, match=r"b\.csv has no column score"):
        read_predictions(tmp_path / "b.csv")
    for name in ("c.parquet", "c.jsonl", "d.csv"):
        (tmp_path / name).write_bytes(b"{\x00" if name != "d.csv" else b"")
        with pytest.raises(EvaluationError, match=name):
            read_predictions(tmp_path / name)
    (tmp_path / "e.csv").write_text("clip_id,emotion,score\na,Awe,seven\n")
    with pytest.raises(EvaluationError, match=r"e\.csv, row 1: score is 'seven', no number"):
        read_predictions(tmp_path / "e.csv")


# --- score files ----------------------------------------------------------------------------------


def scores_of(result):
    rows = result.rows.to_pylist()
    return {(row["clip_id"], row["emotion"]): (row["score"], row["outcome"]) for row in rows}


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_a_clip_is_the_mean_of_its_windows_by_their_length(tmp_path, suffix):
    clips = [
        ("a.wav", "a", 0.0, 30.0, 1.0, 4.0),
        ("b.wav", "b", 0.0, 5.0, 3.0, 0.5),
        ("a.wav", "a", 30.0, 40.0, 3.0, 0.0),
    ]
    result = read_predictions(scored(tmp_path / f"s{suffix}", clips))
    assert scores_of(result) == {
        ("a", "Anger"): (1.5, "scored"),
        ("a", "Awe"): (3.0, "scored"),
        ("b", "Anger"): (3.0, "scored"),
        ("b", "Awe"): (0.5, "scored"),
    }
    assert (result.scale, result.all_emotions, result.provenance["model"]) == ("0-4", True, "tiny")


def test_the_mean_is_the_one_that_score_shows(tmp_path):
    from modeling_empathic.scoring.file import read_scores, rows_of
    from modeling_empathic.scoring.recordings import recordings

    rng = np.random.default_rng(0)
    clips = [(f"{n}.wav", f"{n}", 30.0 * w, 30.0 * w + rng.uniform(1, 30), *rng.uniform(0, 4, 2))
             for n in range(5) for w in range(n + 1)]  # fmt: skip
    path = scored(tmp_path / "s.parquet", clips)
    heads = [{"name": "Anger"}, {"name": "Awe"}]
    result = scores_of(read_predictions(path))
    for recording in recordings(rows_of(read_scores(path)), heads):
        for head, value in zip(heads, recording.native_mean, strict=True):
            score = result[recording.path.removesuffix(".wav"), head["name"]][0]
            assert score == pytest.approx(value, rel=1e-12)


def test_of_separate_channels_the_one_that_failed_takes_no_score_away(tmp_path):
    from modeling_empathic.scoring.file import score_schema, write_scores

    schema = score_schema({"heads": ["Anger"], "channels": "separate"})
    times = {"start_s": 0.0, "end_s": 30.0, "duration_s": 30.0}
    both = {"path": "call.wav", "clip_id": "a", "quality": ""}
    left = both | times | {"channel": 1, "Anger": 2.0, "outcome": "scored"}
    right = both | {"channel": 2, "outcome": "decode_error", "error": "digital silence"}
    path = tmp_path / "s.parquet"
    write_scores(pa.Table.from_pylist([left, right], schema), path)
    assert scores_of(read_predictions(path)) == {("a", "Anger"): (2.0, "scored")}


def test_a_clip_that_was_not_decoded_keeps_its_outcome_and_has_no_score(tmp_path):
    clips = [("a.wav", "a", 0.0, 5.0, 1.0, 2.0), ("b.wav", "b", None, None),
             ("gone.wav", None, None, None)]  # fmt: skip
    result = scores_of(read_predictions(scored(tmp_path / "s.parquet", clips)))
    assert result["b", "Anger"] == result["b", "Awe"] == (None, "decode_error")
    assert {clip for clip, _ in result} == {"a", "b"}


def test_the_same_bytes_under_two_names_are_one_clip(tmp_path):
    clips = [("a.wav", "a", 0.0, 30.0, 1.0, 2.0), ("a.wav", "a", 30.0, 60.0, 3.0, 2.0),
             ("copy.wav", "a", 0.0, 30.0, 1.0, 2.0)]  # fmt: skip
    result = scores_of(read_predictions(scored(tmp_path / "s.parquet", clips)))
    assert result == {("a", "Anger"): (2.0, "scored"), ("a", "Awe"): (2.0, "scored")}


def test_heads_that_bench_does_not_have_are_left_out(tmp_path):
    heads, clip = ("Valence", "Breathiness_v2", "Awe", "Arousal"), ("a.wav", "a", 0.0, 5.0)
    result = scores_of(read_predictions(scored(tmp_path / "s.csv", [(*clip, 1, 2, 3, 4)], heads)))
    assert result == {("a", "Awe"): (3.0, "scored"), ("a", "Arousal"): (4.0, "scored")}
    with pytest.raises(EvaluationError, match="none of the 42 categories"):
        read_predictions(scored(tmp_path / "t.csv", [(*clip, 1)], ("Valence",)))


def test_a_score_file_without_a_readable_clip_has_no_rows(tmp_path):
    result = read_predictions(scored(tmp_path / "s.parquet", [("gone.wav", None, None, None)]))
    assert (len(result.rows), result.all_emotions) == (0, False)


def test_a_folder_whose_name_looks_like_a_column_adds_none(tmp_path):
    folder = tmp_path / "emotion=Awe"
    folder.mkdir()
    result = read_predictions(scored(folder / "s.parquet", [("a.wav", "a", 0.0, 5.0, 1, 2)]))
    assert len(result.rows) == 2


def test_a_score_file_knows_its_scale(tmp_path):
    path = scored(tmp_path / "s.csv", [("a.wav", "a", 0.0, 5.0, 1, 2)])
    with pytest.raises(EvaluationError, match="has scores on 0-4, not on 0-10"):
        read_predictions(path, scale="0-10")
    other = {"Anger": [0, 10], "Awe": [0, 10], "Valence": [-3, 3]}
    result = read_predictions(scored(tmp_path / "t.csv", [("a.wav", "a", 0.0, 5.0, 1, 2)],
                                    scales=other))  # fmt: skip
    assert result.scale == "0-10"
    mixed = {"Anger": [0, 4], "Awe": [1, 5]}
    with pytest.raises(EvaluationError, match="heads on the scales 0-4, 1-5"):
        read_predictions(scored(tmp_path / "u.csv", [("a.wav", "a", 0.0, 5.0, 1, 2)],
                                scales=mixed))  # fmt: skip
