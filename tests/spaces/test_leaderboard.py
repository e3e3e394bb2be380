"""What the leaderboard Space reads, and what it makes of two systems; no browser here."""

import csv
import doctest
import io
import json
import re
import shutil
import sys

import numpy as np
import pytest

from evaluate_metrics.published import LARGE, SMALL
from modeling_empathic.report.files import as_json
from modeling_empathic.taxonomy import UserError
from tests.support.board_maker import CONFIG, HOSTILE, SPACE
from tests.support.places import REPOSITORY

sys.path.append(str(REPOSITORY / "spaces" / "emonet_voice_leaderboard"))

import axis
import markup
import names
import submission
import systems
import ties
from axis import axis_of
from board import BoardError, benchmarks, load, main_benchmark, on
from contradictions import contradictions
from csv_file import csv_text
from markup import text
from names import plain
from page import whole_page
from pairs import ALONE, APART, PAIRED, compare, shown
from systems_table import systems_table


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
    assert {of.access for of in board.about.values()} == {"open", "api"}
    html = whole_page(board, main_benchmark(board), "")
    assert "n/a" not in html and "95 % interval" not in html
    said = contradictions()
    assert "Malevolence/Malice" in said and "the other way round" in said
    table = html.split('class="outcomes few"')[1].split("</table>")[0]
    assert table.count('scope="col"') == 3 == table.split("<tbody>")[1].split("</tr>")[0].count(
        "<t"
    ) - 1  # fmt: skip
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
    assert result["kind"] == back["kind"] == PAIRED
    assert re.search(r"60 resamples of \d+ (row|group)s;", result["about"])
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
    assert "made/good" in systems_table(board, main_benchmark(board))


def test_a_table_of_an_earlier_version_has_no_figures_by_emotion_and_is_shown(copied):
    def as_before(table):
        del table["comparisons"], table["comparisons_left_out"]
        for row in table["rows"]:
            del row["spearman_by_emotion"]

    change(copied / "leaderboard.json", as_before)
    board = load(copied)
    assert board.by_emotion("made/good") == {} and board.comparisons == {}
    html = whole_page(board, main_benchmark(board), "")
    assert "No result on this benchmark has figures by emotion" in html


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
    with pytest.raises(BoardError, match="row 1"):
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
    html = whole_page(board, first, "") + csv_text(board, first).replace('"', "")
    html = html.replace(HOSTILE.replace('"', ""), "")  # in the file it is text anyway
    html += shown(compare(board, "made/good", HOSTILE))
    assert not any(mark in html for mark in ("<img", "<script"))
    assert text(HOSTILE) in html and text(CONFIG) in html


def test_each_benchmark_has_a_view_of_its_own_with_ranks_floors_and_ceiling(made):
    board = load(made)
    first = main_benchmark(board)
    html = whole_page(board, first, "")
    views = html.split("<section data-bench=")[1:]
    assert len(views) == 3 and [" hidden" in view[:200] for view in views] == [False, True, True]
    shown_first = systems_table(board, first)
    assert shown_first.count("data-text=") == 3 and 'class="ceiling"' in shown_first
    assert shown_first.count('<tr class="floor">') > 3
    rows = shown_first.split("<tbody>")[1].split("</tbody>")[0].split("<tr ")[1:]
    values = [float(row.split('data-v="')[3].split('"')[0]) for row in rows]
    assert values == sorted(values, reverse=True) and np.isfinite(values).all()


@pytest.mark.parametrize("module", [axis, markup, names, systems, ties])
def test_the_examples_in_the_docstrings_run(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("safe\u202egpj.exe", "safegpj.exe"),
        ("a\u2010b\u2011c\u2012d\u2013e\u2014f\u2212g\ufe63h\uff0di\u00adj", "a-b-c-d-e-f-g-h-ij"),
        ("\u2066x\u2069\ufeff\u200b\u200f", "x"),
        ("a\u0000b\nc\u2028d\u3000e", "ab c d e"),
        ("Z" + "\u0301" * 50, "\u0179\u0301\u0301"),
        ("\u3164\u2800", "unnamed"),
    ],
)
def test_a_name_hides_nothing_and_turns_nothing_round(name, seen):
    assert plain(name) == seen and text(name) == seen


def test_names_that_look_alike_stay_two_systems_and_are_marked(copied):
    twin, mixed = "made\u2215good".replace("\u2215", "\u202e/"), "G\u0435mini"

    def imitate(table):
        row = next(row for row in table["rows"] if row["system"] == "made/good")
        table["rows"] += [row | {"system": twin}, row | {"system": mixed}]

    change(copied / "leaderboard.json", imitate)
    board = load(copied)
    assert [row["system"] for row in board.rows.values()].count("made/good") == 1
    html = systems_table(board, main_benchmark(board))
    assert "made/good, no. 2 that looks like this</bdi>" in html
    assert "\u202e" not in html and "letters of two alphabets: Latin, Cyrillic" in html


CHANCE = {
    f"rank_{figure}_{end}" for figure in ("spearman", "macro_spearman") for end in ("low", "high")
}


def without_ranks(board):
    rows = {
        label: {name: value for name, value in row.items() if name not in CHANCE}
        for label, row in board.rows.items()
    }
    return board._replace(rows=rows)


def test_ties_with_the_first_are_paired_where_somebody_tested_and_else_by_overlap(made, copied):
    board = without_ranks(load(made))
    benchmark = main_benchmark(board)
    found = ties.ties(board, benchmark)
    refuses = next(label for label in found if "refuses" in label)
    assert found[HOSTILE].how == ties.PAIRED and found[HOSTILE].p is not None
    assert found[refuses] == (True, ties.OVERLAP, None)
    assert "no paired test has been made" in whole_page(board, benchmark, "")
    change(
        copied / "leaderboard.json",
        lambda t: t["comparisons"][0]["comparison"]["spearman"].update(p=0.5),
    )
    assert ties.ties(without_ranks(load(copied)), benchmark)[HOSTILE] == (True, ties.PAIRED, 0.5)
    rows = {label: row | {"rank_spearman_low": 2} for label, row in board.rows.items()}
    of_all_pairs = ties.ties(board._replace(rows=rows), benchmark)
    assert of_all_pairs[refuses] == of_all_pairs[HOSTILE] == (False, ties.PAIRED, None)
    html = systems_table(board._replace(rows=rows), benchmark)
    assert "paired bootstrap of all pairs" not in html and "≈ first" not in html
    shipped = load(SPACE / "data")
    of_paper = ties.ties(shipped, main_benchmark(shipped))
    assert {tie.how for tie in of_paper.values()} == {ties.UNKNOWN} and len(of_paper) == 6


@pytest.mark.parametrize("values", [[0.274, 0.418], [-0.14, 0.68], [-2.0, 1.7], [0.0], [10.0, -10]])
def test_an_axis_has_zero_every_value_and_few_ticks(values):
    made_axis = axis_of([*values, None])
    assert 0 in made_axis.ticks and 2 <= len(made_axis.ticks) <= 10
    assert made_axis.ticks[0] <= min(values) and max(values) <= made_axis.ticks[-1]
    at = [made_axis.at(value) for value in sorted({0.0, *values})]
    assert at == sorted(at) and at[0] >= 0 and at[-1] <= 100


def test_the_csv_has_every_system_and_no_cell_that_runs(copied):
    change(copied / "leaderboard.json", lambda t: t["rows"][0].update(system="=1+1"))
    board = load(copied)
    names_of = [
        row["system"]
        for benchmark in benchmarks(board)
        for row in csv.DictReader(io.StringIO(csv_text(board, benchmark)))
    ]
    assert "'=1+1" in names_of and "=1+1" not in names_of and len(names_of) == len(board.rows)
    rows = list(csv.DictReader(io.StringIO(csv_text(board, main_benchmark(board)))))
    assert float(rows[0]["spearman_low"]) < float(rows[0]["spearman"])


def test_a_line_about_a_system_that_cannot_be_used_is_left_out_and_said(copied):
    head = "system,access,parameters,date,link\n"
    lines = [
        "a,free,,,",
        "b,open,many,,",
        "c,open,,soon,",
        "d,open,,,javascript:alert(1)",
        "e,open",
    ]
    good = "made/good,open,1500000000,2026-01,https://huggingface.co/made/good\n"
    (copied / "systems.csv").write_text(head + "\n".join(lines) + "\n" + good)
    board = load(copied)
    assert sum("systems.csv" in problem for problem in board.left_out) == len(lines)
    assert board.about["made/good"].size == "middle"
    assert 'href="javascript' not in whole_page(board, main_benchmark(board), "")


def test_a_result_that_is_handed_in_comes_back_as_a_ready_pull_request(made):
    board = load(made)
    checked = submission.check(board, made / "results" / "1.json")  # the one with a hostile name
    assert (checked.place, checked.of, checked.benchmark) == (3, 3, main_benchmark(board))
    assert checked.file == "img-src-x-onerror-alert-1-click-javascript-alert-1-alert-1-t.json"
    assert any("of this name" in note for note in checked.notes)
    known = submission.said("api", "1500", "https://example.org/x")
    request = submission.ready(checked, known, "lab/board")
    assert f"hf upload lab/board {checked.file} data/results/{checked.file}" in request["command"]
    row = next(csv.reader([request["line"]]))
    assert row == [HOSTILE, "api", "1500000000", "", "https://example.org/x"]
    html = submission.shown(checked, request, board)
    assert "<img" not in html and "place 3 of 3" in html
    other = submission.check(board, made / "results" / "other.json")
    assert other.benchmark and other.place == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is not JSON"), ('{"kind": "bench", "format": 1}', "system"), ("[]", "no result")],
)
def test_what_is_no_result_is_refused_with_what_is_wrong(made, tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=message):
        submission.check(load(made), tmp_path / "x.json")
    with pytest.raises(UserError, match="is not a number"):
        submission.said("open", "many", "")
    with pytest.raises(UserError, match="parameters '-5' is below 0"):
        submission.said("open", "-5", "")
