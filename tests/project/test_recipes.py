"""Small recipes on score files: which take to keep, and DNSMOS beside the quality heads."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from examples.best_of_n import rank, read
from examples.dnsmos import compare
from modeling_empathic.taxonomy import UserError
from tests.support.command import run_command
from tests.support.scoring_fakes import write_clip


def test_the_best_take_has_the_emotion_the_genuineness_and_the_words():
    takes = {
        "a": {"Anger": 3.0, "Pain": 0.0, "Authenticity": 1.0},
        "b": {"Anger": 2.0, "Pain": 2.0, "Authenticity": 3.0},
        "c": {"Anger": 1.0, "Pain": 1.0, "Authenticity": 2.0},
    }
    assert rank(takes, "Anger", "Pain")[0] == ("b", pytest.approx(0.75 + 1 + 1))
    errors = {"a": 0.0, "b": 1.0, "c": 0.0}
    assert rank(takes, "Anger", "Pain", errors) == [("a", 1.5), ("b", 1.375), ("c", 1.0)]


def test_takes_are_read_from_a_score_file(tmp_path):
    for i in range(2):
        write_clip(tmp_path / "takes" / f"{i}.wav", 0.5, i)
    file = tmp_path / "takes.parquet"
    assert run_command("score", tmp_path / "takes", "--heads", "Anger", "--output", file)[0] == 0
    takes = read(file)
    assert len(takes) == 2
    assert all(list(heads) == ["Anger"] for heads in takes.values())


def test_dnsmos_is_asked_for_every_clip_and_named_where_it_is_not_there(tmp_path, monkeypatch):
    for i in range(3):
        write_clip(tmp_path / f"{i}.wav", 0.5, i)
    table = pd.DataFrame({"path": ["0.wav", "1.wav", "2.wav"], "outcome": "scored",
                          "Speech Quality": [1.0, 2.0, 3.0]})  # fmt: skip
    monkeypatch.setitem(sys.modules, "speechmos.dnsmos", None)
    with pytest.raises(UserError, match="pip install speechmos"):
        compare(table, tmp_path)
    answers = iter([2.0, 3.0, 4.0])
    fake = SimpleNamespace(run=lambda samples, sr: {"sig_mos": next(answers), "ovrl_mos": 1.0})
    monkeypatch.setitem(sys.modules, "speechmos", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "speechmos.dnsmos", fake)
    assert compare(table, tmp_path) == [("Speech Quality", 1.0, 1.0, 3)]
    with pytest.raises(UserError, match="score with --model plus"):
        compare(table.drop(columns="Speech Quality"), tmp_path)
