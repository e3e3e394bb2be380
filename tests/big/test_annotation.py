"""A clip has forty scores and a caption that says them, or the reason why not."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dataset_scripts.packing.clips import PackingError
from dataset_scripts.packing.imported import imported
from dataset_scripts.packing.pack import pack
from dataset_scripts.packing.scores import Judgement, annotate, judgement, survives, within_scale
from evaluate_metrics.adapters.annotating import asked, rewriting
from evaluate_metrics.adapters.systems import make_adapter
from evaluate_metrics.emonet_voice import OUTCOMES
from modeling_empathic import NANO
from modeling_empathic.norms import norm
from modeling_empathic.scoring import loading
from modeling_empathic.scoring.file import METADATA_KEY
from modeling_empathic.taxonomy import EMOTION_NAMES
from modeling_empathic.training.captions import levels_of, make_caption, parse_caption
from tests.support.big_maker import clip_rows, judge, make_clips, make_scored, write_clips
from tests.support.command import run_command
from tests.support.fake_api import fake_api, gemini, gemini_error
from tests.support.scoring_fakes import fake_loader

WHOLE = dict.fromkeys(EMOTION_NAMES, 1)
ABOUT = {"annotator": "made up"}


def rows_of(out):
    return parquet.read_table(out / "scores.parquet").to_pylist()


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (WHOLE, "scored", ""),
        (WHOLE | {"Age_best": 5, "mood": "good"}, "scored", ""),
        (WHOLE | {"Awe": 5}, "parse_error", "Awe: 5 is outside 0 to 4"),
        (WHOLE | {"Awe": -0.1}, "parse_error", "Awe: -0.1 is outside 0 to 4"),
        (WHOLE | {"Awe": 10**400}, "parse_error", "is outside 0 to 4"),
        (WHOLE | {"Awe": "N/A"}, "parse_error", "Awe: 'N/A' is not a number"),
        (WHOLE | {"Awe": "3"}, "parse_error", "Awe: '3' is not a number"),
        (WHOLE | {"Awe": True}, "parse_error", "Awe: True is not a number"),
        (WHOLE | {"Awe": float("nan")}, "parse_error", "Awe: nan is not a number"),
        (WHOLE | {"Awe": None}, "parse_error", "Awe: None is not a number"),
        (WHOLE | {"awe_best": 2}, "parse_error", "Awe: several scores"),
        (dict.fromkeys(EMOTION_NAMES[1:], 1), "unmapped", "39 of 40 scores: none for Amusement"),
        ({}, "unmapped", "0 of 40 scores"),
    ],
)
def test_forty_numbers_from_0_to_4_are_scores_and_nothing_else_is(answer, outcome, reason):
    read = judgement(answer.items())
    assert (read.outcome, bool(read.scores)) == (outcome, outcome == "scored")
    assert reason in read.reason
    assert outcome in OUTCOMES


TWICE = ",".join(["id", *EMOTION_NAMES, "Awe"]) + "\n" + ",".join(["0"] + ["1"] * 41)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", TWICE),
        ("a.jsonl", json.dumps({"id": "0"} | WHOLE)[:-1] + ', "Awe": 4}'),
        ("a.jsonl", json.dumps({"id": "0"} | WHOLE)[:-1] + ', "id": "1"}'),
        ("a.parquet", TWICE),
    ],
)
def test_of_two_columns_of_a_name_none_is_chosen(name, text, tmp_path):
    if name.endswith(".parquet"):
        names, cells = (line.split(",") for line in text.split("\n"))
        columns = [pa.array([float(cell)]) for cell in cells]
        parquet.write_table(pa.Table.from_arrays(columns, names), tmp_path / name)
    else:
        (tmp_path / name).write_text(text)
    with pytest.raises(PackingError, match=r"'\w+' (stands in it 2 times|is there twice)"):
        imported(tmp_path / name)


def test_what_python_alone_takes_for_a_number_or_an_outcome_is_none(tmp_path):
    out = make_clips(tmp_path / "out", 1)
    name = clip_rows(out)[0]["id"]
    cells = [name, "0_1", *["1"] * 39]
    (tmp_path / "a.csv").write_text(f"{','.join(['id', *EMOTION_NAMES])}\n{','.join(cells)}")
    assert annotate(out, imported(tmp_path / "a.csv"), ABOUT) == {"parse_error": 1}
    assert rows_of(out)[0]["reason"] == "Amusement: '0_1' is not a number"
    about = {METADATA_KEY: json.dumps({"scales": {}})}
    row = {"id": [name], "outcome": ["done"], **{key: [1.0] for key in WHOLE}}
    parquet.write_table(pa.table(row).replace_schema_metadata(about), tmp_path / "a.parquet")
    assert annotate(out, imported(tmp_path / "a.parquet"), ABOUT) == {"parse_error": 1}
    assert rows_of(out)[0]["reason"] == "outcome='done' is none"


def test_each_spoken_clip_has_its_row_and_its_caption_says_its_scores(tmp_path):
    out = make_clips(tmp_path / "out", 6)
    write_clips(out, [*clip_rows(out), clip_rows(out)[0] | {"id": "f", "outcome": "silence"}])
    assert annotate(out, judge, ABOUT) == {"scored": 6}
    rows = rows_of(out)
    assert [row["id"] for row in rows] == [row["id"] for row in clip_rows(out)[:6]]
    for row in rows:
        assert np.array_equal(parse_caption(row["caption"]), levels_of(row["emotion_scores"]))
    assert len({row["caption"].split()[0] for row in rows}) > 1  # not all by one template
    first = (out / "scores.parquet").read_bytes()
    annotate(out, judge, ABOUT)
    assert (out / "scores.parquet").read_bytes() == first


def test_scores_of_another_annotator_are_replaced_only_where_that_is_wanted(tmp_path):
    out = make_clips(tmp_path, 1)
    annotate(out, judge, ABOUT)
    with pytest.raises(PackingError, match=r"has scores of made up; overwrite them"):
        annotate(out, judge, {"annotator": "another"})
    reworded = {"annotator": "another", "paraphrased_by": "somebody"}
    assert annotate(out, judge, reworded, overwrite=True) == {"scored": 1}
    with pytest.raises(PackingError, match=r"has captions reworded by somebody; overwrite"):
        annotate(out, judge, {"annotator": "another"})


def test_a_folder_without_clips_is_named(tmp_path):
    with pytest.raises(PackingError, match=r"has no clips\.parquet"):
        annotate(tmp_path, judge, ABOUT)
    write_clips(tmp_path, [{"id": "a", "outcome": "silence"}])
    with pytest.raises(PackingError, match="no spoken clip"):
        annotate(tmp_path, judge, ABOUT)


def test_nano_scores_by_default(tmp_path):
    out = make_clips(tmp_path / "out", 2, seconds=1.0)
    code, printed, err = run_command("big", "annotate", out)
    assert (code, err) == (0, "")
    assert "2 of 2 clips scored by nano (embedded)" in printed
    for row in rows_of(out):
        assert 0 <= min(row["emotion_scores"]) <= max(row["emotion_scores"]) <= 4
    code, _, err = run_command("big", "annotate", out, "--norm", "reference")
    assert (code, err) == (0, "")
    usual = norm("reference", str(NANO))
    for row in rows_of(out):
        meant = levels_of(row["emotion_scores"], usual)
        assert np.array_equal(parse_caption(row["caption"]), meant)
    assert "of the public heads" in run_command("big", "annotate", out, "--norm", "takes")[2]
    code, _, err = run_command("big", "annotate", out, "--norm", "usual")
    assert code == 2 and "choose from reference, takes, clips" in err


def test_a_models_run_goes_on_where_it_was_and_says_what_it_cannot_hear(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "load_model", fake_loader(heads=EMOTION_NAMES))
    out = make_clips(tmp_path / "out", 3)
    (out / clip_rows(out)[1]["path"]).write_bytes(b"<html>no audio</html>")
    code, printed, _ = run_command("big", "annotate", out)
    assert code == 1
    assert "2 of 3 clips scored by" in printed and "1 decode_error" in printed
    first, failed, _ = rows_of(out)
    assert failed["caption"] is None and failed["emotion_scores"] is None and failed["reason"]
    stored = (out / "scores.parquet").read_bytes()
    assert run_command("big", "annotate", out)[0] == 1
    assert (out / "scores.parquet").read_bytes() == stored
    make_clips(out, 4)
    assert "4 of 4 clips scored" in run_command("big", "annotate", out)[1]
    assert rows_of(out)[0] == first


def test_a_clip_that_was_replaced_since_it_was_made_is_not_scored_as_that(
    tmp_path, monkeypatch, key
):
    monkeypatch.setattr(loading, "load_model", fake_loader(heads=EMOTION_NAMES))
    out = make_clips(tmp_path / "out", 2)
    first, second = (out / row["path"] for row in clip_rows(out))
    first.write_bytes(second.read_bytes())
    assert run_command("big", "annotate", out)[0] == 1
    assert [row["outcome"] for row in rows_of(out)] == ["decode_error", "scored"]
    assert rows_of(out)[0]["reason"] == "audio is not what was made"
    with fake_api(gemini("I'm sorry, I can't.")) as api:
        adapter = make_adapter("gemini-2.0-flash", base_url=api.url)
        gem = asked(adapter, "Score it.", out, out / "answers", workers=1)
        assert annotate(out, gem, ABOUT, overwrite=True) == {"decode_error": 1, "refused": 1}
        assert len(api.requests) == 1


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_scores_of_others_are_imported_by_whatever_tells_clips_apart(tmp_path, suffix):
    import pyarrow as pa
    from pyarrow import csv

    out = make_clips(tmp_path / "out", 3)
    key = {".jsonl": "id", ".csv": "clip_id", ".parquet": "path"}[suffix]
    known = [row["sha256" if key == "clip_id" else key] for row in clip_rows(out)]
    rows = [{key: known[0], **WHOLE}, {key: known[1], **WHOLE, "Awe": 7}]
    file = tmp_path / f"theirs{suffix}"
    if suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif suffix == ".csv":
        csv.write_csv(pa.Table.from_pylist(rows), file)
    else:
        parquet.write_table(pa.Table.from_pylist(rows), file)
    code, printed, _ = run_command(
        "big", "annotate", out, "--annotator", "import", "--scores", file
    )
    assert code == 1
    assert f"1 of 3 clips scored by imported from {file.name}" in printed
    reasons = [row["reason"] for row in rows_of(out)]
    assert reasons[0] == "" and "outside 0 to 4" in reasons[1] and "no row in" in reasons[2]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{id},{ones}", ""),
        ("{id},{ones}\nlater,{ones}\n{id},{ones}", "several rows in a.csv"),
        ("{id}", "Amusement: None is not a number"),
        ("{id},{ones},1", None),
    ],
)
def test_lines_of_a_csv_are_whole_and_an_id_of_digits_is_no_number(tmp_path, row, reason):
    out = make_clips(tmp_path / "out", 1, id="00e1230456")
    names = list(WHOLE)
    line = row.format(id="00e1230456", ones=",".join("1" for _ in names))
    (tmp_path / "a.csv").write_text(f"id,{','.join(names)}\n{line}\n")
    if reason is None:
        with pytest.raises(PackingError, match="more cells than the header"):
            imported(tmp_path / "a.csv")
        return
    annotate(out, imported(tmp_path / "a.csv"), {"annotator": "x"})
    assert rows_of(out)[0]["reason"] == reason


def test_rows_without_a_name_or_a_score_are_no_more_than_that(tmp_path):
    out = make_clips(tmp_path / "out", 1)
    path = clip_rows(out)[0]["path"]
    lines = [{"path": path, **WHOLE}, WHOLE]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert annotate(out, imported(tmp_path / "a.jsonl"), {"annotator": "x"}) == {"scored": 1}
    import pyarrow as pa

    model = pa.Table.from_pylist([{"path": path, "outcome": "scored", **WHOLE, "Awe": None}])
    model = model.replace_schema_metadata({"emonet_voice": json.dumps({"scales": {}})})
    parquet.write_table(model, tmp_path / "a.parquet")
    annotate(out, imported(tmp_path / "a.parquet"), {"annotator": "x"})
    assert rows_of(out)[0]["reason"] == "Awe: None is not a number"


def test_a_file_that_holds_no_scores_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text("[1]\n")
    (tmp_path / "b.jsonl").write_text('{"Awe": 1}\n')
    for name, message in (("a.jsonl", "line 1 is no object"), ("b.jsonl", "a column id"),
                          ("c.csv", "cannot be read"), ("d.txt", "choose a file")):  # fmt: skip
        if name == "d.txt":
            (tmp_path / name).write_text("x")
        with pytest.raises(PackingError, match=message):
            imported(tmp_path / name)


@pytest.fixture
def key(monkeypatch):
    pytest.importorskip("google.genai")
    monkeypatch.setenv("GEMINI_API_KEY", "canary-of-the-annotator")


def answers(changes):
    from evaluate_metrics.adapters.prompt import make_prompt

    return dict.fromkeys(make_prompt().keys, 2) | changes


def test_gemini_is_asked_once_a_clip_and_each_answer_has_its_outcome(tmp_path, key):
    out = make_clips(tmp_path / "out", 5)
    short = answers({})
    del short["awe"]
    replies = [answers({}), answers({"awe": 5}), answers({"awe": "N/A"}), short]
    with fake_api(*map(gemini, replies), gemini("I'm sorry, I can't.")) as api:
        adapter = make_adapter("gemini-2.0-flash", base_url=api.url)

        def again():
            gem = asked(adapter, "Score it.", out, out / "answers", workers=1)
            return annotate(out, gem, {"annotator": "gemini-2.0-flash"})

        counts = again()
        assert counts == {"scored": 1, "parse_error": 2, "unmapped": 1, "refused": 1}
        assert again() == counts
        assert len(api.requests) == 5
    reasons = [row["reason"] for row in rows_of(out)]
    assert reasons[0] == ""
    assert reasons[1].startswith("Awe: outside 0 to 4: 5")
    assert reasons[2].startswith("Awe: not a number")
    assert reasons[3] == "Awe: not in the answer; 39 of 40 scores"
    assert reasons[4].startswith("I'm sorry")


@pytest.mark.parametrize(
    ("paraphrase", "reason"),
    [
        ("Intense anger and, faintly heard, a hint of pain.", ""),
        ("No intense anger, but a hint of pain.", "it denies: 'no'"),
        ("It isn't intense anger, it is faint pain.", 'it denies: "n\'t"'),
        ("Intense anger, a hint of pain, and joy besides.", "it adds Elation: 'joy'"),
        ("Intense anger with rage, a hint of pain with suffering.", ""),  # terms of what is there
        ("Intense anger.", "Pain: level 0 for 1"),
        ("Intense anger, a hint of pain and of awe.", "no intensity before 'awe'"),
        ("Intense anger, strong pain.", "Pain: level 3 for 1"),
        ("Intense anger, strong anger, faint pain.", "two intensities for 'anger'"),
    ],
)
def test_a_paraphrase_that_loses_denies_or_adds_something_is_none(paraphrase, reason):
    said = survives("The voice conveys extreme anger and slight pain.", paraphrase)
    assert said.startswith(reason) and bool(said) == bool(reason)


def test_every_caption_of_ours_survives_itself_as_a_paraphrase():
    for seed in range(200):
        scores = np.random.default_rng(seed).uniform(-3, 4, 40).clip(0)
        caption = make_caption(scores, seed=seed)
        assert survives(caption, caption) == ""


def test_a_zero_below_zero_is_zero():
    scores = judgement((name, -0.0) for name in EMOTION_NAMES).scores
    assert str(scores[0]) == str(within_scale([-0.0])[0]) == "0.0"


def test_a_paraphrase_is_taken_only_if_names_and_levels_survive(tmp_path, key):
    out = make_clips(tmp_path / "out", 4)

    def plain(clips):
        for number, _ in enumerate(clips["id"]):
            yield Judgement([4.0 * (number == i) for i in range(40)])

    texts = ["Overwhelming amusement is all one hears.", "Some elation is there.", ""]
    with fake_api(*map(gemini, texts), gemini_error(400, "no")) as api:
        adapter = make_adapter("gemini-2.0-flash", base_url=api.url)
        reword = rewriting(adapter, "Reword: {}".format, out / "answers", workers=1)
        counts = annotate(out, plain, ABOUT, rewrite=reword)
        assert len(api.requests) == 4
        assert "Reword: " in api.requests[0].json["contents"][0]["parts"][0]["text"]
    assert counts == {"scored": 4, "paraphrased": 1, "not paraphrased": 3}
    rows = rows_of(out)
    assert rows[0]["caption"] == texts[0] and rows[0]["reason"] == ""
    assert rows[1]["reason"] == "not paraphrased: Elation: level 2 for 4"
    assert all(not row["paraphrased"] and row["caption"] for row in rows[1:])
    assert "HTTP 400" in rows[3]["reason"]


@pytest.mark.parametrize("file", ["clips.parquet", "scores.parquet"])
def test_a_table_with_an_id_or_a_column_twice_is_not_guessed_at(tmp_path, file):
    out = make_scored(tmp_path / "out", 3)
    table = parquet.read_table(out / file)
    for change, message in (
        (pa.concat_tables([table, table.slice(1, 1)]), "the id '.*' stands twice"),
        (table.append_column("id", table["id"]), "'id' stands in it 2 times"),
    ):
        parquet.write_table(change, out / file)
        with pytest.raises(PackingError, match=message):
            pack([out], tmp_path / "packed")


def test_a_disk_without_room_for_scores_is_named_and_the_old_ones_stay(tmp_path):
    resource = pytest.importorskip("resource")
    out = make_scored(tmp_path / "out", 30)
    before = (out / "scores.parquet").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            annotate(out, judge, {"annotator": "made up"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.filename == str(out / "scores.parquet")
    assert (out / "scores.parquet").read_bytes() == before
    assert sorted(path.name for path in out.iterdir()) == [
        "audio",
        "clips.parquet",
        "scores.parquet",
    ]
