"""The page itself: filters, a view for each benchmark, an article for each system."""

from board import Board, benchmarks
from heat_map import heat_map
from markup import brief, section, text
from outcomes_table import outcomes_table
from system_page import system_page
from systems import ACCESS, SIZES
from systems_table import systems_table

ABOUT_OUTCOMES = """Every row of the benchmark has one outcome. A failure is never counted as a
zero, and the kinds are never merged: <em>refused</em> the system declined, <em>unmapped</em> its
labels do not cover the emotion, <em>parse error</em> its answer could not be read, <em>transport
error</em> no answer came, <em>decode error</em> the clip could not be read. <em>Never asked</em>:
rows without any answer; such a result has no rank."""


def whole_page(board: Board, first: str, space: str) -> str:
    """Everything but comparisons and submission.

    Args:
        board: Of `board.load`.
        first: The benchmark that is shown first.
        space: Id of this Space on the Hub, `""` elsewhere.
    """
    names = sorted(benchmarks(board), key=lambda name: name != first)
    views = "".join(_view(board, name, hidden=name != first) for name in names)
    pages = "".join(system_page(board, label, space) for label in board.rows)
    return section(f'<div class="list">{_filters(board, names)}{views}</div>{pages}')


def _view(board: Board, benchmark: str, hidden: bool) -> str:
    return (
        f'<section data-bench="{text(benchmark)}"{" hidden" if hidden else ""}>'
        f"<h2>Systems</h2>{systems_table(board, benchmark)}"
        "<h2>By emotion</h2><p>Spearman's ρ within the clips of each emotion, in the order of the "
        f"paper's Table 6.</p>{heat_map(board, benchmark)}"
        "<h2>What became of every row</h2><details><summary>How rows are counted</summary>"
        f"<p>{ABOUT_OUTCOMES}</p></details>{outcomes_table(board, benchmark)}</section>"
    )


def _filters(board: Board, names: list[str]) -> str:
    known = [board.about[label] for label in board.rows]
    chips = [
        _chip("access", name, words)
        for name, words in ACCESS.items()
        if any(of.access == name for of in known)
    ]
    chips += [
        _chip("size", name, words)
        for name, (words, _, _) in SIZES.items()
        if any(of.size == name for of in known)
    ]
    choice = ""
    if len(names) > 1:  # the figures of different ones must not be compared: one at a time
        options = "".join(
            f'<option value="{text(name)}">{text(brief(name))}</option>' for name in names
        )
        choice = f"<label>Benchmark <select data-choose>{options}</select></label>"
    return (
        '<search class="filters"><label>Find <input type="search" data-find maxlength="100" '
        f'autocomplete="off" placeholder="name or model"></label>{choice}'
        f'<div role="group" aria-label="Show only" class="chips">{"".join(chips)}</div>'
        '<p role="status" class="count"></p></search>'
    )


def _chip(kind: str, value: str, words: str) -> str:
    return (
        f'<button type="button" aria-pressed="false" data-{kind}="{value}">{text(words)}</button>'
    )
