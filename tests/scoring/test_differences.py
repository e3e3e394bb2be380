"""Every difference between two score files is in words, and none of them is Python."""

import re

import pytest

from modeling_empathic.scoring.differences import differences
from tests.support.command import run_command
from tests.support.scoring_fakes import FakeExtractor, FakeModel, write_clip

SCALES = {"Anger": [0, 4], "Awe": [0, 4]}
EMOTIONS = [f"Emotion {n}" for n in range(40)]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"model": "a/b"}, {"model": "c/d"}, ["model a/b, now c/d"]),
        (
            {"model": "a", "revision": "1"},
            {"model": "b", "revision": "2"},
            ["model a, now b"],
        ),
        (
            {"revision": "sha256:" + "0123456789abcdef" * 4},
            {"revision": "f" * 40},
            ["the model has changed (revision 0123456789ab, now ffffffffffff)"],
        ),
        (
            {"heads": EMOTIONS, "scales": {name: [0, 4] for name in EMOTIONS}},
            {"heads": EMOTIONS[:1], "scales": {EMOTIONS[0]: [0, 4]}},
            ["heads 40 (Emotion 0, Emotion 1, Emotion 2 …), now Emotion 0"],
        ),
        (
            {"scales": SCALES},
            {"scales": SCALES | {"Awe": [0, 7]}},
            ["scale of Awe 0 to 4, now 0 to 7"],
        ),
        ({"dtype": "float32"}, {"dtype": "float16"}, ["numbers in float32, now in float16"]),
        ({"device": "cpu"}, {"device": "cuda"}, ["computed on cpu, now on cuda"]),
        (
            {"package_version": "0.1.0"},
            {"package_version": "0.2.0"},
            ["version of emonet-voice 0.1.0, now 0.2.0"],
        ),
        (
            {"windows": {"window_s": 30.0, "hop_s": 30.0, "min_tail_s": 1.0}},
            {"windows": {"window_s": 5.0, "hop_s": 2.5, "min_tail_s": 0.5}},
            ["windows of 30 s every 30 s, now of 5 s every 2.5 s, the last at least 0.5 s"],
        ),
        (
            {"windows": None},
            {"windows": {"window_s": 5.0, "hop_s": 5.0}},
            ["windows not said, now of 5 s every 5 s"],
        ),
        ({"channels": "separate"}, {}, ["channels separate, now mixed"]),
        (
            {"feature_extractor": {"class": "A", "mel_bins": 80}},
            {"feature_extractor": {"class": "A", "mel_bins": 128}},
            ["feature extractor class A, mel bins 80, now class A, mel bins 128"],
        ),
        (
            {"short_mode": None, "later": [1, 2]},
            {"short_mode": True},
            ["short mode not said, now yes", "later 1 and 2, now not said"],
        ),
    ],
)
def test_a_difference_is_a_phrase(old, new, words):
    assert sorted(differences(old, new)) == sorted(words)


def test_any_two_provenances_differ_in_words():
    """Whatever a later version puts there: no braces, no quotes, no None."""
    from modeling_empathic.scoring.loading import describe

    plain = describe(FakeModel(), FakeExtractor(), "me/model", "main")
    for key, value in plain.items():
        for other in (None, "other", ["x"], {"a": {"b": [1, None]}}, 3.5, False):
            for phrase in differences(plain, plain | {key: other}):
                assert not re.search(r"[{}\[\]'\"]|None|True|False", phrase), (key, value, phrase)


def test_the_same_is_no_difference():
    assert differences(SCALES, SCALES) == []


def test_the_message_names_the_file_and_what_to_do(tmp_path, monkeypatch, faked):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "a.wav")
    assert run_command("score", "a.wav", "-o", "x.csv")[0] == 0
    code, _, error = run_command("score", "a.wav", "--heads", "Awe", "-o", "x.csv")
    assert code == 2 and error.splitlines()[-1] == (
        "error: x.csv has scores made differently: heads Anger, Pleasure/Ecstasy and Awe, now Awe. "
        "To go on with it, use what it was made with; or choose another file, or overwrite "
        "(delete) it"
    )
