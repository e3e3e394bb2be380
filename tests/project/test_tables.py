"""Tables of figures on a screen of any width: every column is there, and words stay whole."""

import re

import pytest

from modeling_empathic.report.tables import as_text, plain

HEADERS = ("", "One rater ρ", "95 %", "Halves ρ", "MAE", "95 %", "Perfect r", "Clips")
ROWS = [
    ["Pooled", "-0.017", "[-0.07, 0.04]", "-0.019", "4.337", "[4.15, 4.52]", "NaN", "12,600"],
    ["Impatience and Irritability", "0.1", "[0, 1]", "0.2", "0.3", "[2, 3]", "0.456", "300"],
]


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_no_word_is_broken_and_no_figure_is_lost(width):
    text = as_text([plain("Ceiling", HEADERS, ROWS, "A note.")], width)
    assert max(map(len, text.splitlines())) <= width
    for cell in (*HEADERS, *ROWS[0], *ROWS[1][1:], "Impatience", "Irritability"):
        assert cell in text
    assert (text.count("Ceiling"), text.count("A note.")) == (1, 1)


@pytest.mark.parametrize("width", [80, 60, 40])
def test_an_interval_stays_beside_its_figure(width):
    text = as_text([plain("", HEADERS, ROWS)], width)
    assert re.search(r"-0\.017 +\[-0\.07, 0\.04\]", text)
    assert re.search(r"4\.337 +\[4\.15, 4\.52\]", text)


def test_columns_that_fit_stay_one_table():
    text = as_text([plain("", ("Emotion", "ρ", "Clips"), [["Anger", "0.5", "300"]] * 3)], 40)
    assert text.count("Emotion") == 1
