"""Results that somebody has: CSV, JSONL and Hume's batch JSON as prediction files."""

import json

import pytest

from evaluate_metrics.adapters.errors import AdapterError
from evaluate_metrics.adapters.stored import ids_by_file_name, import_stored
from evaluate_metrics.bench.predictions import read_predictions
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.adapter_fakes import rows_of

SLASHED = tuple(name for name in EMOTION_NAMES if "/" in name)


@pytest.fixture
def imported(tmp_path):
    """Imports a text as a file; gives the counts and, by clip and emotion, the rows."""

    def imported(text, name="in.csv", **options):
        (tmp_path / name).write_text(text, encoding="utf-8")
        output = tmp_path / "out.parquet"
        counts = import_stored(tmp_path / name, output, system="csv-import", **options)
        rows = {(row["clip_id"], row["emotion"]): row for row in rows_of(output)}
        assert len(read_predictions(output).rows) == len(rows)
        return counts, rows

    return imported


def test_a_long_csv_gives_forty_rows_a_clip_and_what_is_absent_is_unmapped(imported):
    counts, rows = imported("clip_id,emotion,score\na,awe,7\na,Surprise,2\nb,awe,0\n")
    assert len(rows) == 80
    assert rows["a", "Astonishment/Surprise"]["score"] == 2
    assert rows["b", "Awe"]["outcome"] == "scored"
    assert rows["b", "Pain"]["outcome"] == "unmapped"
    assert counts["outcomes"]["scored"] == 3


def test_a_join_that_lost_the_slashed_names_shows_as_unmapped_not_as_refusals(imported):
    kept = [name for name in EMOTION_NAMES if name not in SLASHED]
    text = "clip_id,emotion,score\n" + "".join(f"a,{name},5\n" for name in kept)
    counts, rows = imported(text)
    assert len(SLASHED) == 7
    assert {rows["a", name]["outcome"] for name in SLASHED} == {"unmapped"}
    assert (counts["outcomes"]["unmapped"], counts["outcomes"]["refused"]) == (7, 0)


def test_a_wide_jsonl_has_a_column_a_label(imported):
    lines = [
        {"clip_id": "a", "awe": 7, "Pain": None, "glee": 1},
        {"clip_id": "b", "outcome": "refused"},
    ]
    counts, rows = imported("\n".join(map(json.dumps, lines)), "in.jsonl")
    assert rows["a", "Awe"]["score"] == 7
    assert rows["a", "Pain"]["outcome"] == "unmapped"
    assert rows["b", "Awe"]["outcome"] == "refused"
    assert counts["unknown_labels"] == {"glee": 1}


def test_outcomes_and_details_of_the_file_are_kept(imported):
    _, rows = imported("clip_id,emotion,score,outcome,detail\na,awe,,refused,no\na,pain,3,,\n")
    assert rows["a", "Awe"]["outcome"] == "refused"
    assert rows["a", "Awe"]["detail"] == "no"
    assert rows["a", "Pain"]["score"] == 3


@pytest.mark.parametrize("score", ["", "NaN", "high", "11", "-1", "inf"])
def test_a_score_that_is_none_is_a_parse_error(imported, score):
    _, rows = imported(f"clip_id,emotion,score\na,awe,{score}\na,pain,3\n")
    assert rows["a", "Awe"]["outcome"] == "parse_error"
    assert rows["a", "Pain"]["outcome"] == "scored"


def test_scales_are_converted_and_what_is_off_the_scale_is_found(imported):
    _, rows = imported("clip_id,awe,pain\na,0.25,1.5\n", scale="0-1")
    assert rows["a", "Awe"]["score"] == 2.5
    assert rows["a", "Pain"]["outcome"] == "parse_error"
    _, rows = imported("clip_id,awe,pain\na,1,4.5\n", scale="0-4")
    assert (rows["a", "Awe"]["score"], rows["a", "Pain"]["score"]) == (2.5, 10)


def test_windows_of_a_clip_are_averaged_by_their_length(imported):
    _, rows = imported("clip_id,start_s,end_s,awe\na,0,5,2\na,5,6,8\n")
    assert rows["a", "Awe"]["score"] == pytest.approx((5 * 2 + 8) / 6)


def test_clips_are_found_by_file_name_and_unknown_ones_counted(imported):
    ids = ids_by_file_name([("x/a.wav", "id-a"), ("x/b.wav", "id-b")])
    counts, rows = imported("file_name,awe\nother/a.wav,3\nc.wav,4\n", clip_ids=ids)
    assert {clip for clip, _ in rows} == {"id-a"}
    assert counts["unknown_files"] == 1
    with pytest.raises(AdapterError, match=r"two clips have the file name a\.wav"):
        ids_by_file_name([("x/a.wav", "1"), ("y/a.wav", "2")])


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("clip_id,emotion,score\na,awe,1\na,awe,2\n", "in.csv", "row 2: awe of this clip again"),
        ("emotion,score\nawe,1\n", "in.csv", "in.csv, row 1: no clip_id and no file_name"),
        ("clip_id,awe,outcome\na,1,lost\n", "in.csv", "row 1: outcome 'lost' is not one of"),
        ("clip_id,awe,start_s,end_s\na,1,4,3\n", "in.csv", "row 1: start_s and end_s"),
        ("file_name,awe\na.wav,1\n", "in.csv", "row 1 has a file name only"),
        ("clip_id,awe\na,1,2\n", "in.csv", "in.csv, row 1: more cells than columns"),
        ("{nope", "in.jsonl", "in.jsonl, line 1 is no JSON"),
        ("[1]", "in.jsonl", "in.jsonl, line 1 is no object"),
        ("", "in.csv", "has no result of any clip"),
        ("{}", "in.txt", "choose a file that ends in .csv, .jsonl or .json"),
        ('{"a": 1}', "in.json", "is not what Hume's batch service gives"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_the_row(imported, text, name, message):
    with pytest.raises(AdapterError) as caught:
        imported(text, name)
    assert message in str(caught.value)


def hume(*files, errors=()):
    """The answer of Hume's batch service."""
    clips = []
    for name, *windows in files:
        predictions = [
            {"time": {"begin": begin, "end": end},
             "emotions": [{"name": label, "score": score} for label, score in scores.items()]}
            for begin, end, scores in windows
        ]  # fmt: skip
        groups = [{"id": "unknown", "predictions": predictions}] if windows else []
        clips.append({"file": name, "models": {"prosody": {"grouped_predictions": groups}}})
    return json.dumps([{"source": {}, "results": {"predictions": clips, "errors": list(errors)}}])


def test_hume_goes_through_table_8(imported):
    scores = {"Joy": 0.5, "Anger": 0.3, "Guilt": 0.4, "Surprise (positive)": 0.2}
    scores |= {"Surprise (negative)": 0.6, "Excitement": 0.9, "Craving": 0.1}
    text = hume(("clips/a.wav", (0, 4, scores)))
    counts, rows = imported(text, "in.json", hume=True, clip_ids={"a.wav": "a"})
    known = {
        emotion: row["score"] for (_, emotion), row in rows.items() if row["score"] is not None
    }
    assert known == {"Elation": 5, "Anger": 3, "Astonishment/Surprise": 6}
    assert rows["a", "Shame"]["outcome"] == "unmapped"
    assert counts["unknown_labels"] == {"Guilt": 1, "Craving": 1}


def test_hume_windows_silence_and_errors(imported):
    text = hume(
        ("a.wav", (0, 5, {"Joy": 0.2}), (5, 6, {"Joy": 0.8})),
        ("b.wav",),
        ("c.wav", (2, 2, {"Joy": 1.02})),
        errors=[{"file": "d.wav", "message": "internal"}],
    )
    ids = {f"{name}.wav": name for name in "abcd"}
    _, rows = imported(text, "in.json", hume=True, clip_ids=ids)
    assert rows["a", "Elation"]["score"] == pytest.approx(10 * (5 * 0.2 + 0.8) / 6)
    assert rows["b", "Elation"]["outcome"] == "parse_error"
    assert rows["c", "Elation"]["score"] == 10
    assert rows["d", "Elation"]["outcome"] == "transport_error"
