"""What the demo shows and hands out: files, pictures, sentences."""

import csv
import html
import io
import itertools
import json
import re

import numpy as np
import pytest

from modeling_empathic import NANO
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.demo_modules import (  # noqa: F401
    HOSTILE,
    MODULES,
    SPACE,
    results_fixture,
    space_fixture,
    tiny_fixture,
    voice_fixture,
)


def test_a_spreadsheet_gets_no_formula_and_every_score(space, results):
    for name in ("=1+1.wav", "+1.wav", "-1.wav", "@SUM(A1).wav", "\tx.wav"):
        rows = list(
            csv.reader(io.StringIO(space.exports.csv_text(name, results.score, results.timeline)))
        )
        assert {row[0] for row in rows[1:]} == {f"'{name}"}
    assert [row[1] for row in rows] == ["part", "recording"] + ["window"] * 4
    assert rows[0][4] == "quality"
    assert rows[0][5:] == list(EMOTION_NAMES)
    whole = {row["emotion"]: row["score"] for row in results.score["emotions"]}
    assert list(map(float, rows[1][5:])) == pytest.approx(
        [whole[n] for n in EMOTION_NAMES], abs=1e-5
    )


def test_the_json_is_json_without_nan(space, results):
    everything = space.exports.rounded({"recording": results.score, "acoustics": results.acoustics})
    written = space.exports.json_text("a.wav", **everything)
    read = json.loads(written, parse_constant=pytest.fail)
    assert len(read["recording"]["emotions"]) == 40
    assert read["path"] == "a.wav" and "feels" in read["note"]


def test_subtitles_and_labels_cover_the_recording_without_gaps(space, results):
    vtt, labels = space.exports.subtitles("a-->b.wav", results.score, results.timeline)
    assert vtt.startswith("WEBVTT\n\nNOTE a->b.wav, ")
    times = [line.split(" --> ") for line in vtt.splitlines() if " --> " in line]
    assert len(times) == 4 and times[0][0] == "00:00:00.000" and times[-1][1] == "00:00:02.500"
    assert all(before[1] == after[0] for before, after in itertools.pairwise(times))
    first, *_ = (line.split("\t") for line in labels.splitlines())
    assert float(first[0]) == 0 and float(first[2].rpartition(" ")[2]) <= 10


def test_the_picture_is_written_for_a_single_window_too(space, results, tmp_path):
    scores = {name: row[:1] for name, row in results.timeline["scores"].items()}
    course = {**results.timeline, "start_s": [0.0], "end_s": [1.0], "scores": scores}
    space.exports.write_png(tmp_path / "a.png", results.score, course, results.wave)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_text_of_users_and_of_models_cannot_become_markup(space, results):
    score = {**results.score, "model": HOSTILE, "revision": HOSTILE, "reference": HOSTILE}
    figures = {"top1": 0.5, "classes": ["a"], "floor_most_frequent": 0.2, "name": HOSTILE}
    score |= {"quality": HOSTILE, "measured": {"unseen_corpus": figures}}
    score["emotions"] = [{**row, "emotion": HOSTILE} for row in score["emotions"][:3]]
    course = {
        **results.timeline,
        "changed": HOSTILE,
        "scores": {HOSTILE: results.timeline["scores"]["Awe"]},
    }
    shown = [
        space.panels.player(f"/tmp/{HOSTILE}"),
        space.panels.overview(score, f"a={HOSTILE}", False),
        space.panels.bars(score),
        space.lanes.timeline(score, course),
        space.lanes.moments({**results.moments, "emotion": HOSTILE}, results.wave, 2.5),
    ]
    for markup in shown:
        assert "<script" not in markup and "\"'&" not in markup


def test_every_picture_has_words_for_those_who_cannot_see_it(space, results):
    shown = space.lanes.timeline(results.score, results.timeline)
    shown += space.lanes.moments(results.moments, results.wave, 2.5)
    shown += space.lanes.acoustics(results.acoustics, results.wave, 2.5)
    assert shown.count("<svg") == shown.count('<svg role="img" aria-label="') == 5 + 2 + 4
    assert 'alt="Heat map of 40 emotions. Intensity over 2.5 s' in shown


def test_a_clip_without_voice_has_no_pitch_and_says_so(space):
    noise = np.random.default_rng(1).normal(0, 0.1, 8_000).astype(np.float32)
    heard = space.analysis.acoustics(noise)
    assert heard["features"]["f0_median_hz"] is None and set(heard["f0_hz"]) == {None}
    shown = space.lanes.acoustics(heard, space.analysis.envelope(noise), 0.5)
    assert "Pitch: nothing could be measured." in shown and "not to be told" in shown


def test_the_first_sentence_and_every_picture_name_the_same_leaders(space, results):
    z = {row["emotion"]: row["z"] for row in results.score["emotions"]}
    leaders = sorted(z, key=lambda name: -z[name])[:5]
    said = space.panels.overview(results.score, "", False)
    assert f"<strong>{space.panels.short_name(leaders[0])}</strong>" in said
    # Which emotion is strongest is said as the command's table and report say it: by the mean.
    strongest = results.score["emotions"][0]
    long = space.panels.overview({**results.score, "n_windows": 4}, "", False)
    assert f"({strongest['intensity_0_10']:.1f} of 10, mean over 4 windows)" in long
    for shown in (
        space.panels.bars(results.score),
        space.lanes.timeline(results.score, results.timeline),
    ):
        titles = re.findall('(?:<th scope="row" role=rowheader|<em) title="([^"]*)"', shown)
        assert [html.unescape(title) for title in titles[:5]] == leaders


def test_a_model_says_how_good_it_was_on_new_speakers_and_on_a_new_corpus(
    space, tiny, voice, results
):
    measured = json.loads((NANO / "training.json").read_text())["measured"]
    said = space.panels.overview(results.score, "", False)
    for key in ("emodb_test_speakers", "unseen_corpus"):
        assert f"on {100 * measured[key]['top1']:.0f}\u00a0%" in said.lower()
    unknown = space.panels.overview(space.analysis.score(voice, tiny), "", False)
    assert "Comes without measured figures" in unknown


@pytest.mark.parametrize("said", ["[", "[" * 100_000, "[]", "{}", '{"measured": [1]}', "\xff"])
def test_what_is_no_training_report_is_as_if_it_were_not_there(space, tmp_path, said):
    (tmp_path / "training.json").write_text(said, "latin-1")
    assert space.voice_model._measured(str(tmp_path), None) == {}


@pytest.mark.parametrize(
    ("duration_s", "asked", "why"),
    [(600, (3, 0.5), "at most 240 windows"), (2, (3, 1), "no longer than that"),
     (8, (0, 0), ""), (600, (0, 0), ""), (8, (0, 2.5), ""), (60, (3, 1), "")],
)  # fmt: skip
def test_windows_that_are_not_as_asked_are_told(space, results, duration_s, asked, why):
    window_s, hop_s, changed = space.analysis.plan(duration_s, *asked)
    assert why in changed and bool(why) == bool(changed)
    course = {**results.timeline, "window_s": window_s, "hop_s": hop_s, "changed": changed}
    shown = space.lanes.timeline(results.score, course)
    assert (f"So {window_s:g} s every {hop_s:g} s." in shown) == bool(why)


def test_no_axis_of_a_rate_or_a_pitch_goes_below_zero(space, results):
    heard = {**results.acoustics, "rate_hz": [0.0, 5.0], "f0_hz": [1.0, 900.0]}
    shown = space.lanes.acoustics(heard, results.wave, 2.5)
    scales = re.findall('class="scale"><b>[^<]*</b><b>([^<]*)</b>', shown)
    assert scales[0] == "0" and scales[2] == "0.0"
