"""The picture of a score file."""

import itertools
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from tests.support.places import REPOSITORY

SCRIPT = str(REPOSITORY / "examples" / "plot_scores.py")
CLIPS = REPOSITORY / "examples" / "clips"


def scored(clips, output, *options):
    from emonet_voice.cli.app import run

    return run(["score", *map(str, clips), "--output", str(output), "-q", *options])


@pytest.fixture
def plot(monkeypatch):
    """`python examples/plot_scores.py` without a process of its own."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    import plot_scores

    def typed(*arguments):
        monkeypatch.setattr(sys, "argv", ["plot_scores.py", *map(str, arguments)])
        plot_scores.main()

    return typed


def words(path):
    return [word for word in xml.etree.ElementTree.parse(path).getroot().itertext() if word.strip()]


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    output = tmp_path_factory.mktemp("plot") / "scores.parquet"
    assert scored([CLIPS / "de_anger.flac", CLIPS / "de_neutral.flac"], output) == 0
    return output


def test_each_clip_has_its_strongest_eight_and_says_what_was_acted(scores, plot, tmp_path):
    for name, start in (("scores.png", b"\x89PNG"), ("scores.svg", b"<?xml")):
        plot(scores, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    text = words(tmp_path / "scores.svg")
    for word in ("de_anger", "acted as Anger", "Anger", "de_neutral", "acted as neutral"):
        assert word in text
    assert any("0 (absent) to 10" in word for word in text)
    values = [float(word) for word in text if len(word) == 3 and word[1] == "."]
    assert len(values) == 16
    for of_clip in (values[:8], values[8:]):
        assert of_clip == sorted(of_clip, reverse=True)


def test_a_picture_of_long_clips_says_that_bars_are_means(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    from plot_scores import Clip, plot_bars, plot_heat

    rule = "the mean over its windows"
    for said, draw in itertools.product(("", rule), (plot_bars, plot_heat)):
        draw("m", [Clip("a", {"Awe": 2.0, "Anger": 1.0}, rule=said)], tmp_path / "a.svg")
        assert (f", by {rule}" in " ".join(words(tmp_path / "a.svg"))) == bool(said)


def test_the_acted_emotion_has_a_bar_even_where_it_is_not_among_the_strongest(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    from plot_scores import Clip, _bars_of

    from modeling_empathic.taxonomy import EMOTION_NAMES

    scores = {name: 10 - i / 4 for i, name in enumerate(EMOTION_NAMES)}
    acted = EMOTION_NAMES[20]
    assert [rank for rank, *_ in _bars_of(Clip("a", scores, acted))] == [*range(1, 9), 21]
    assert len(_bars_of(Clip("a", scores))) == 8


def test_of_another_file_nothing_is_said_about_acting_whatever_its_name(plot, tmp_path):
    copy = tmp_path / "call_anger\x1b[31m.flac"
    copy.write_bytes((CLIPS / "de_anger.flac").read_bytes())
    output = tmp_path / "scores.jsonl"
    assert scored([copy], output, "--heads", "anger,awe,sadness") == 0
    for options in ([], ["--heat"]):
        plot(output, tmp_path / "p.svg", *options)
        text = words(tmp_path / "p.svg")
        assert not any("acted" in word for word in text)
        assert any(word.startswith(r"call_anger\x1b[31m") for word in text)
        assert {"Anger", "Awe", "Sadness"} <= set(text)


def test_the_map_has_only_the_emotions_that_are_strong_somewhere(scores, plot, tmp_path):
    plot(scores, tmp_path / "map.svg", "--heat")
    text = words(tmp_path / "map.svg")
    assert "Anger" in text and "Awe" not in text
    assert {"de_anger", "de_neutral"} <= set(text)
    assert any(word.startswith("intensity, 0 to ") for word in text)


def test_a_file_without_scored_clips_is_one_line(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"not audio")
    output = tmp_path / "bad.parquet"
    assert scored([tmp_path / "bad.wav"], output) == 1
    done = subprocess.run(
        [sys.executable, SCRIPT, output, tmp_path / "x.png"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == f"error: {output} holds no scored clip\n"
