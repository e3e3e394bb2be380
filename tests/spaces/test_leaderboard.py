"""What the leaderboard Space reads, and what it makes of two systems; no browser here."""

import json
import shutil
import sys

import numpy as np
import pytest

from evaluate_metrics.published import LARGE, SMALL
from modeling_empathic.report.files import as_json
from tests.support.board_maker import CONFIG, HOSTILE, SPACE
from tests.support.places import REPOSITORY

sys.path.append(str(REPOSITORY / "spaces" / "emonet_voice_leaderboard"))

from board import BoardError, benchmarks, load, main_benchmark, on
from heat_map import heat_map
from markup import text
from pairs import ALONE, APART, PAIRED, compare, shown
from tables import figures, outcomes


@pytest.fixture
def copied(made, tmp_path):
    """The folder, to be spoilt."""
    return shutil.copytree(made, tmp_path / "board")


def change(file, edit):
    result = json.loads(file.read_text())
    edit(result)
    file.write_text(json.dumps(result))


def test_the_table_that_is_shipped_is_the_one_that_the_command_writes_of_the_paper(made):
    table = json.loads((made / "leaderboard.json").read_text())
    only = {
        name: [result for result in table[name] if result["published"]]
        for name in ("benchmarks", "rows")
    }
    empty = {"comparisons": [], "rejected": [], "comparisons_left_out": []}
    expected = as_json(table | only | empty) + "\n"
    assert (SPACE / "data" / "leaderboard.json").read_text() == expected


def test_what_is_shipped_shows_the_papers_systems_and_their_order_both_ways():
    board = load(SPACE / "data")
    assert board.left_out == [] and len(board.rows) == 7
    small, large = board.rows[SMALL], board.rows[LARGE]
    assert (small["rank_spearman"], large["rank_spearman"]) == (1, 3)
    assert small["rank_macro_spearman"] > large["rank_macro_spearman"] == 1
    missing = [n for n, cell in board.by_emotion("GPT-4o Audio").items() if cell["value"] is None]
    assert len(missing) == 7 and all("/" in name for name in missing)


def test_the_table_has_figures_by_emotion_and_why_there_are_none(made):
    board = load(made)
    assert main_benchmark(board).startswith("laion/emonet-voice-bench@bbbb")
    assert len(benchmarks(board)) == 3
    label = next(label for label in on(board, main_benchmark(board)) if "refuses" in label)
    cells = board.by_emotion(label)
    assert cells["Anger"]["value"] is None and cells["Anger"]["why"] == "6 refused"
    assert cells["Awe"]["low"] <= cells["Awe"]["value"] <= cells["Awe"]["high"]
    assert any("bad.json" in problem for problem in board.left_out)


def test_a_system_on_two_benchmarks_has_two_labels(made):
    labels = [label for label in load(made).rows if label.startswith("made/refuses")]
    assert len(labels) == 2 and all("laion/emonet-voice-bench@" in label for label in labels)


def test_a_stored_comparison_is_shown_from_both_sides(made):
    board = load(made)
    result = compare(board, "made/good", HOSTILE)
    back = compare(board, HOSTILE, "made/good")
    assert result["kind"] == back["kind"] == PAIRED and "60 resamples" in result["about"]
    one, other = result["figures"]["spearman"], back["figures"]["spearman"]
    assert one["difference"] == pytest.approx(board.rows["made/good"]["spearman"] - one["b"])
    assert (other["a"], other["b"]) == (one["b"], one["a"])
    assert (other["low"], other["high"]) == (-one["high"], -one["low"])
    assert one["low"] <= one["difference"] <= one["high"] and 0 < one["p"] <= 1
    assert result["by_emotion"]["Awe"]["difference"] == -back["by_emotion"]["Awe"]["difference"]


def test_without_a_stored_comparison_there_is_no_p_value_and_it_says_so(made):
    board = load(made)
    label = next(label for label in on(board, main_benchmark(board)) if "refuses" in label)
    result = compare(board, "made/good", label)
    assert result["kind"] == ALONE and "p value" in result["about"]
    entry = result["figures"]["macro_mae"]
    assert "p" not in entry and entry["difference"] == pytest.approx(entry["a"] - entry["b"])
    assert entry["a_low"] < entry["a"] < entry["a_high"]


def test_systems_on_different_benchmarks_have_no_difference(made):
    result = compare(load(made), "made/good", SMALL)
    assert result["kind"] == APART
    assert {entry["difference"] for entry in result["figures"].values()} == {None}
    assert "A − B" not in shown(result)


@pytest.mark.parametrize(("a", "b"), [("made/good", "made/good"), ("made/good", "nobody")])
def test_a_system_is_not_compared_with_itself_or_nobody(made, a, b):
    with pytest.raises(BoardError):
        compare(load(made), a, b)


def first_cell(table):
    row = next(row for row in table["rows"] if row["system"] == "made/good")
    return row["spearman_by_emotion"]["Awe"]


SPOILT = {
    "with no number": (lambda t: first_cell(t).update(value="x"), "Awe.value is 'x'"),
    "off its scale": (lambda t: first_cell(t).update(value=7), "not a number from -1 to 1"),
    "with an odd reason": (lambda t: first_cell(t).update(why=["<b>"]), "not a text"),
    "with huge numbers": (
        lambda t: t["comparisons"][0]["comparison"]["rows"].update(only_a=10**400),
        "comparisons.0.comparison.rows.only_a is 1000",
    ),
    "with huge differences": (
        lambda t: t["comparisons"][0]["comparison"]["mae"].update(low=-1e9),
        "comparison.mae.low is -1000000000.0",
    ),
    "with odd comparisons": (lambda t: t.update(comparisons={"a": 1}), "not a list"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_table(what, copied):
    edit, message = SPOILT[what]
    change(copied / "leaderboard.json", edit)
    with pytest.raises(BoardError, match=f"leaderboard.json: .*{message}"):
        load(copied)


def test_a_comparison_with_nobody_is_left_out_and_the_table_shown(copied):
    change(copied / "leaderboard.json", lambda t: t["comparisons"][0].update(b="nobody"))
    board = load(copied)
    assert board.comparisons == {} and any("'nobody'" in problem for problem in board.left_out)
    assert "made/good" in figures(board, main_benchmark(board))


def test_a_table_of_an_earlier_version_has_no_figures_by_emotion_and_is_shown(copied):
    def as_before(table):
        del table["comparisons"], table["comparisons_left_out"]
        for row in table["rows"]:
            del row["spearman_by_emotion"]

    change(copied / "leaderboard.json", as_before)
    board = load(copied)
    assert board.by_emotion("made/good") == {} and board.comparisons == {}
    assert "Without figures by emotion" in heat_map(board)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"kind": "bench"}', "[" * 100_000])
def test_a_folder_without_a_leaderboard_is_an_error(tmp_path, content):
    (tmp_path / "leaderboard.json").write_text(content)
    with pytest.raises(BoardError):
        load(tmp_path)
    with pytest.raises(BoardError, match="has no leaderboard"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("field", "value"), [("system", 5), ("published", None), ("mae", "x"), ("floors", [1])]
)
def test_a_row_of_another_kind_is_an_error(copied, field, value):
    change(copied / "leaderboard.json", lambda table: table["rows"][0].update({field: value}))
    with pytest.raises(BoardError, match="row 0"):
        load(copied)


def test_nothing_but_the_table_is_read(copied):
    shutil.rmtree(copied / "results")
    change(
        copied / "leaderboard.json",
        lambda table: [row.update(file="../../../etc/passwd") for row in table["rows"]],
    )
    board = load(copied)
    assert all(board.by_emotion(label) for label in board.rows)


def test_names_open_no_tag(made):
    board = load(made)
    first = main_benchmark(board)
    html = figures(board, first) + outcomes(board, first) + heat_map(board)
    html += shown(compare(board, "made/good", HOSTILE))
    assert not any(mark in html for mark in ("<img", "<script"))
    assert text(HOSTILE) in html and text(CONFIG) in html


def test_only_one_benchmark_has_ranks_and_floors_stand_in_its_rows(made):
    board = load(made)
    html = figures(board, main_benchmark(board))
    ranked, *others = html.split("<tbody>")[1:]
    assert ranked.count('class="rank"') == 6 and "class=floor" in ranked
    assert not any('class="rank"' in other for other in others)
    assert "published, no intervals" in "".join(others) and "other benchmark" in "".join(others)
    values = [float(part.split('"')[0]) for part in ranked.split('</th><td data-v="')[1:]]
    assert len(values) > 3 and values == sorted(values, reverse=True)
    assert np.isfinite(values).all()
