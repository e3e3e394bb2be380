"""Draws the README's gallery from the example clips, with the embedded model.

python examples/gallery.py
"""

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from plot_scores import TRACK, plot_bars, plot_heat, read_clips

from emonet_voice.cli.app import run
from evaluate_metrics.generalize.tables import percent, plot_confusion
from modeling_empathic import NANO, EmpathicInsightModel, load_audio
from modeling_empathic.audio import SAMPLE_RATE, windows
from modeling_empathic.report.figures import DARK, bare, picture
from modeling_empathic.taxonomy import short_name, to_0_10

HERE = Path(__file__).parent
NAME = "Nano, the embedded model"
RECORDING = ("de_neutral", "de_anger", "en_elation", "es_sadness")
PAUSE_S, WINDOW_S, HOP_S = 0.4, 2.0, 0.25
ROWS = 10


class Part(NamedTuple):
    """A stretch of a recording and what is known of it."""

    start_s: float
    end_s: float
    label: str


class Course(NamedTuple):
    """Intensities over time.

    Attributes:
        emotions: Their names.
        middle_s: `(windows,)`, of each window.
        scores: `(windows, emotions)`, 0 to 10.
        duration_s: Of the recording.
    """

    emotions: list[str]
    middle_s: np.ndarray
    scores: np.ndarray
    duration_s: float


def intensities(model: EmpathicInsightModel, sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Intensity of every emotion, `(sounds, emotions)` from 0 to 10; sounds at 16 kHz."""
    import torch
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor.from_pretrained(NANO)
    features = extractor(list(sounds), sampling_rate=SAMPLE_RATE, return_tensors="pt")
    with torch.inference_mode():
        logits = model(input_features=features.input_features).logits
    return np.array([[to_0_10(value) for value in row] for row in logits.tolist()])


def recording(names: Sequence[str]) -> tuple[np.ndarray, list[Part]]:
    """Example clips one after the other, with pauses, and where each is."""
    sounds, parts, start = [], [], 0
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)
    for name in names:
        sound = load_audio(HERE / "clips" / f"{name}.flac")
        end = start + len(sound)
        parts.append(Part(start / SAMPLE_RATE, end / SAMPLE_RATE, name.split("_")[1]))
        sounds += [sound, pause]
        start = end + len(pause)
    return np.concatenate(sounds[:-1]), parts


def plot_timeline(course: Course, parts: Sequence[Part], title: str, path: Path) -> None:
    """Draws the strongest emotions of a recording over time, and what is known of its parts."""
    rows = sorted(np.argsort(-course.scores.max(axis=0))[:ROWS])
    scores = course.scores[:, rows].T
    top = min(10, max(1, math.ceil(scores.max())))
    edges = (course.middle_s[1:] + course.middle_s[:-1]) / 2
    edges = np.concatenate([[0], edges, [course.duration_s]])
    with picture(path, 4.6, 2.3 + 0.25 * len(rows)) as figure:
        above, axes = figure.subplots(2, height_ratios=[1, len(rows)], sharex=True)
        for part in parts:
            above.axvspan(part.start_s, part.end_s, color=TRACK)
            above.text((part.start_s + part.end_s) / 2, 0.5, part.label, ha="center", va="center",
                       color=DARK, parse_math=False)  # fmt: skip
        above.set(ylim=(0, 1), yticks=[0.5], yticklabels=["acted"])
        image = axes.pcolormesh(edges, np.arange(len(rows) + 1), scores, cmap="cividis", vmin=0,
                                vmax=top)  # fmt: skip
        names = [short_name(course.emotions[i]) for i in rows]
        axes.set_yticks(np.arange(len(rows)) + 0.5, names)
        axes.set(xlim=(0, course.duration_s), xlabel="seconds")
        axes.invert_yaxis()
        bare(above)
        above.tick_params(labelbottom=False)
        bare(axes)
        bar = figure.colorbar(image, ax=axes, orientation="horizontal", aspect=40, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label(f"intensity, 0 to {top} of 10")
        figure.suptitle(title, x=0.02, ha="left", fontsize=11, parse_math=False)


def make_gallery(folder: Path) -> list[Path]:
    """Writes the pictures of the README; returns them in their order there."""
    import torch
    from transformers.utils import logging

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.png" for name in ("bars", "timeline", "heat", "measured")]
    logging.disable_progress_bar()
    # As `emonet-voice score` computes on a CPU, whatever the type on disk.
    model = EmpathicInsightModel.from_pretrained(NANO, dtype=torch.float32).eval()
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary, "scores.parquet")
        run(["score", str(HERE / "clips"), "--output", str(output), "--quiet"])
        _, clips = read_clips(output)
    plot_bars(NAME, clips[:1], files[0])
    plot_heat(NAME, clips, files[2])

    sound, parts = recording(RECORDING)
    cuts = windows(len(sound), WINDOW_S, HOP_S)
    scores = intensities(model, [sound[cut] for cut in cuts])
    middle_s = np.array([(cut.start + cut.stop) / 2 / SAMPLE_RATE for cut in cuts])
    course = Course(list(model.config.head_names), middle_s, scores, len(sound) / SAMPLE_RATE)
    title = f"When emotions are heard\n{NAME}, windows of {WINDOW_S:g} s"
    plot_timeline(course, parts, title, files[1])

    measured = json.loads(Path(NANO, "training.json").read_text("utf-8"))["measured"]
    test = measured["emodb_test_speakers"]
    unseen = measured.get("unseen_corpus")
    other = f" (recall on a corpus it never met: {percent(unseen['uar'])} %)" if unseen else ""
    n_speakers = len(test["speakers"])
    row: Any = {
        "system": "Nano",
        "protocol": f"{test['clips']} clips of {n_speakers} speakers it never met",
        "confusion": test["confusion_rows_are_truth"],
        **{name: test[name] for name in ("top1", "uar")},
    }
    plot_confusion(row, test["classes"], files[3], f"EmoDB{other}")
    return files


def main() -> None:
    """Command line of `gallery.py`."""
    parser = argparse.ArgumentParser(description="Draw the README's gallery.")
    parser.add_argument("--output", type=Path, default=HERE / "gallery")
    files = make_gallery(parser.parse_args().output)
    print(
        f"wrote {len(files)} pictures, {sum(file.stat().st_size for file in files) / 1000:.0f} kB"
    )


if __name__ == "__main__":
    main()
