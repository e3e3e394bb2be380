"""A folder as a whole: means, strongest clips, percentiles, what is doubtful."""

import numpy as np
import pytest

from modeling_empathic.reference_scores import make_reference
from modeling_empathic.scoring.overview import Overview
from modeling_empathic.scoring.recordings import recordings
from tests.support.command import run_command
from tests.support.scoring_fakes import write_clip

HEADS = [
    {"name": "Anger", "scale": [0.0, 4.0], "group": "emotion"},
    {"name": "Awe", "scale": [0.0, 4.0], "group": "emotion"},
    {"name": "Age", "scale": [0.0, 6.0], "group": "attribute"},
]
REFERENCE = make_reference(
    {"Anger": np.linspace(0, 2, 201), "Awe": [1.0, 3.0], "Age": [1.0, 2.0]},
    clips="Made.",
    model="m",
    revision="r",
)


def made(clips, quality=()):
    """Recordings of `(windows, heads)` scores each."""
    rows = []
    for number, scores in enumerate(clips):
        for i, values in enumerate(scores):
            row = {"path": f"{number}.wav", "duration_s": 10.0 * len(scores), "outcome": "scored"}
            row |= {"start_s": 10.0 * i, "end_s": 10.0 * i + 10, "quality": ""}
            if number < len(quality):
                row["quality"] = quality[number]
            names = (head["name"] for head in HEADS)
            rows.append(row | dict(zip(names, map(float, values), strict=True)))
    return recordings(rows, HEADS)


def overview(clips, quality=(), reference=None):
    result = Overview(HEADS, reference)
    for recording in made(clips, quality):
        result.add(recording)
    return result


def test_means_and_strongest_are_those_of_all_clips_at_once():
    scores = np.random.default_rng(0).uniform(0, 4, (50, 3, 3))
    rows = overview(scores).rows()
    assert {row.name for row in rows} == {"Anger", "Awe"}  # the emotions
    for row in rows:
        head = ["Anger", "Awe"].index(row.name)
        assert row.mean == pytest.approx(2.5 * scores[:, :, head].mean())
        peaks = 2.5 * scores[:, :, head].max(axis=1)
        best = np.argsort(-peaks)[:3]
        assert [moment.name for moment in row.strongest] == [f"{i}.wav" for i in best]
        assert [moment.intensity for moment in row.strongest] == pytest.approx(peaks[best])
        starts = 10.0 * scores[best][:, :, head].argmax(axis=1)
        assert [moment.start_s for moment in row.strongest] == starts.tolist()


def test_a_clip_of_one_window_has_no_moment_and_equals_keep_their_order():
    (row, _) = overview([[(1, 0, 0)], [(1, 0, 0)], [(0.5, 0, 0)], [(1, 0, 0)]]).rows()
    assert [moment.name for moment in row.strongest] == ["0.wav", "1.wav", "3.wav"]
    assert {moment.start_s for moment in row.strongest} == {None}


def test_percentiles_are_of_the_reference_clips():
    rows = {row.name: row for row in overview([[(1.5, 9, 0)]], reference=REFERENCE).rows()}
    assert rows["Anger"].strongest[0].percentile == pytest.approx(75, abs=0.5)
    assert rows["Awe"].strongest[0].percentile == 100
    assert (rows["Anger"].usual, rows["Awe"].usual) == (2.5, 5.0)


def test_a_reference_of_other_heads_is_of_another_model():
    less = REFERENCE._replace(heads={"Anger": REFERENCE.heads["Anger"]})
    (row, _) = overview([[(1, 0, 0)]], reference=less).rows()
    assert row.usual is None and row.strongest[0].percentile is None


def test_what_is_doubtful_is_counted_by_its_reason():
    quality = ["too short", "too short, clipped", ""]
    counts = overview([[(1, 1, 1)] * 2] * 3, quality).quality
    assert counts == {"too short": 2, "clipped": 1}


def test_a_folder_on_the_screen_is_an_overview_and_one_line_of_doubts(tmp_path, monkeypatch, faked):
    monkeypatch.chdir(tmp_path)
    for number in range(24):
        write_clip(tmp_path / "clips" / f"{number}.wav", seconds=0.2, seed=number)
    (tmp_path / "clips" / "broken.wav").write_text("no sound")
    code, out, _ = run_command("score", "clips", "-o", "x.parquet")
    assert code == 1 and "24 clips, intensity from 0 to 10" in out
    assert "✗ clips/broken.wav" in out and "█" not in out
    assert "Doubtful: 24 too short" in " ".join(out.split())
