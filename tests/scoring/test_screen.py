"""What the terminal shows of scored clips, at any width."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from emonet_voice.cli.screen import Summary
from modeling_empathic.scoring.clips import score_files
from modeling_empathic.scoring.overview import Overview
from modeling_empathic.scoring.recordings import recordings
from tests.support.scoring_fakes import HEADS, FakeExtractor, FakeModel, write_clip


def score_one(clip):
    return list(score_files([clip], FakeModel(), FakeExtractor()))


def shown(rows, width, top=3, heads=HEADS):
    """The table as text at a width."""
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    specs = [{"name": name, "scale": [0.0, 4.0], "group": "emotion"} for name in heads]
    summary = Summary(Overview(specs))
    for recording in recordings(rows, specs):
        summary.count(recording)
        summary.add(recording)
    summary.show(console, top=top)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [50, 80, 120])
def test_the_table_fits_the_terminal_and_names_stay_whole(clips, width):
    long_name = "Intoxication/Altered States of Consciousness"
    Path(clips[1]).write_bytes(b"not audio")
    deep = str(write_clip(Path("a/" * 40 + "deep.wav")))
    rows = list(score_files([*clips, deep], FakeModel((*HEADS, long_name)), FakeExtractor()))
    text = shown(rows, width, heads=HEADS, top=2)
    assert max(map(len, text.splitlines())) <= width
    assert "/deep.wav  0.5 s" in text and "Pleasure/Ecstasy" in text
    rows = [row | {long_name: 4.0} for row in rows if row["outcome"] == "scored"]
    lines = shown(rows, width, heads=(*HEADS, long_name)).splitlines()
    assert max(map(len, lines)) <= width
    start = next(i for i, line in enumerate(lines) if "Intoxication/Altered States" in line)
    whole = lines[start] + lines[start + 1]
    assert all(word in whole for word in long_name.split()) and whole.count("█") >= 10


@pytest.mark.parametrize("width", [50, 80, 120])
def test_of_more_than_twenty_clips_each_emotion_says_where_it_is_strongest(clips, width):
    (row,) = score_one(clips[0])
    rows = [row | {"path": f"{i}.wav", "Anger": 4 * i / 24, "Awe": 2.0} for i in range(25)]
    text = shown(rows, width)
    assert max(map(len, text.splitlines())) <= width
    assert "25 clips, intensity from 0 to 10" in text
    (anger,) = (line.split() for line in text.splitlines() if line.startswith("Anger"))
    assert anger[:4] == ["Anger", "5.0", "10.0", "24.wav" if width == 50 else "24.wav,"]
    (awe,) = (line.split() for line in text.splitlines() if line.startswith("Awe"))
    assert awe[:3] == ["Awe", "5.0", "5.0"] and awe[3].startswith("0.wav")  # the first of equals
    assert "Doubtful: 25 not like speech (column quality)." in " ".join(text.split())


def test_a_long_clip_shows_the_mean_of_its_windows_weighted_by_length(clips):
    (row,) = score_one(clips[0])
    rows = [
        row | {"start_s": 0.0, "end_s": 30.0, "duration_s": 40.0, "Anger": 1.0},
        row | {"start_s": 30.0, "end_s": 40.0, "duration_s": 40.0, "Anger": 3.0},
    ]
    text = shown(rows, 80, heads=["Anger"])
    assert "40.0 s, mean of 2 windows" in text
    assert " 3.8 up to 7.5 at 0:30" in text  # 2.5 * 1.5; 2.5 * 3


def test_the_mean_of_a_long_clip_does_not_hide_an_outburst(clips):
    (row,) = score_one(clips[0])
    spans = [{"start_s": 10.0 * i, "end_s": 10.0 * i + 10, "duration_s": 80.0} for i in range(8)]
    rows = [row | span | {"Anger": 0.4, "Awe": 3.6, "Pleasure/Ecstasy": 2.0} for span in spans]
    rows[5] |= {"Anger": 3.5}
    text = shown(rows, 80, top=1)
    assert "Awe" in text and "Rises most: Anger 8.8 at 0:50–1:00, on the whole 2.0" in text


def test_the_screen_shows_every_head_from_0_to_10_on_its_own_scale(clips):
    heads = [{"name": "Anger", "scale": [0, 4]}, {"name": "Age", "scale": [1, 5]}]
    (row,) = score_one(clips[0])
    (recording,) = recordings([row | {"Anger": 5.0, "Age": 3.0}], heads)
    assert recording.mean.tolist() == recording.peak.tolist() == [10.0, 5.0]


def test_the_table_warns_that_heads_differ_in_their_base_rate(clips):
    rows = score_one(clips[0])
    text = shown(rows, 50)
    warning = "Emotions differ in base rate: compare one across\nclips before ranking them"
    assert "\n".join(map(str.rstrip, text.splitlines())).count(warning) == 1
    assert "base rate" not in shown(rows, 50, heads=["Anger"])  # nothing to rank
