"""How Nano is measured: coarse classes through Table 11, and areas and ranks on acted clips.

Part of `train_nano.py`.  The rules are those of the paper's section 4.4, with top-1 beside its
lenient rule.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from nano_data import CLASS_EMOTION, SAMPLING_RATE, Clip, add_noise, read_corpus, telephone
from nano_train import CLASSES, MEMBERS
from scipy.stats import mannwhitneyu, spearmanr

from dataset_scripts.corpora.coarse import common_class
from modeling_empathic.audio import load_audio
from modeling_empathic.reference_scores import Reference, z_scores
from modeling_empathic.report.statistics import resampled_interval
from modeling_empathic.taxonomy import EMOTION_NAMES, RAVDESS_CLASSES, resolve

_MAPPED = sorted(i for members in MEMBERS for i in members)
CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "telephone band": telephone,
    "white noise at 10 dB": lambda audio: add_noise(audio, 10, np.random.default_rng(1)),
    "gain +12 dB": lambda audio: np.clip(audio * 10 ** (12 / 20), -1, 1).astype(np.float32),
    "gain -12 dB": lambda audio: (audio * 10 ** (-12 / 20)).astype(np.float32),
    "a second of silence before and after": lambda audio: np.pad(audio, SAMPLING_RATE),
    "first two thirds": lambda audio: audio[: len(audio) * 2 // 3],
}


def measure(
    score: Callable[[list[np.ndarray]], np.ndarray],
    held_out: list[Clip],
    acted: list[Clip],
    unseen: Path | None,
) -> dict[str, Any]:
    """What the finished model does on voices it never heard.

    Args:
        score: From 16 kHz clips to `(clips, 40)` scores.
        held_out: EmoDB clips of the test speakers.
        acted: Acted clips of test voices and sentences.
        unseen: Folder of a corpus that no step has seen, with `metadata.csv`.
    """
    scores = score([clip.audio for clip in acted])
    result: dict[str, Any] = {
        "acted_test_voices": measure_acted(scores, np.stack([clip.targets for clip in acted])),
        "digital_silence_largest_score": round(
            float(np.abs(score([np.zeros(SAMPLING_RATE, np.float32)])).max()), 3
        ),
    }
    if held_out:
        labels = [clip.label for clip in held_out]
        speakers = [clip.speaker for clip in held_out]
        scores = score([clip.audio for clip in held_out])
        result["emodb_test_speakers"] = measure_classes(scores, labels, speakers)
        result["emodb_scores_share_within_0_4"] = round(
            float(np.mean((scores > -0.25) & (scores < 4.25))), 4
        )
        result["emodb_test_speakers_under"] = {
            name: measure_classes(
                score([change(clip.audio) for clip in held_out]), labels, speakers, resamples=1
            )["uar"]
            for name, change in CONDITIONS.items()
        }
    if unseen:
        clips = [clip for clip in read_corpus(unseen) if clip.label in CLASSES]
        scores = score([clip.audio for clip in clips])
        labels = [clip.label for clip in clips]
        result["unseen_corpus"] = {
            "name": unseen.name,
            **measure_classes(scores, labels, [clip.speaker for clip in clips]),
            "uar_by_ravdess_column": uar_by_ravdess_column(scores, labels),
        }
    return result


def uar_by_ravdess_column(scores: np.ndarray, labels: list[str]) -> float:
    """Recall with the emotions that Table 11 has for RAVDESS's classes instead of EmoDB's.

    The two columns differ in half of their rows, and nothing says which a third corpus should take.
    """
    members = {
        common_class(name): [EMOTION_NAMES.index(emotion) for emotion in emotions]
        for name, emotions in RAVDESS_CLASSES.items()
    }
    classes = sorted(set(labels))
    best = np.stack([scores[:, members[name]].max(1) for name in classes], axis=1)
    truth = np.array([classes.index(label) for label in labels])
    return round(_rates(truth, best.argmax(1))[1], 4)


def measure_examples(
    score: Callable[[list[np.ndarray]], np.ndarray], folder: Path, reference: Reference
) -> dict[str, int]:
    """Of each example clip, how unusual its acted emotion is among its 40 scores; 1 is the most.

    Args:
        score: From 16 kHz clips to `(clips, 40)` scores.
        folder: Of clips `<language>_<emotion>.flac`; a neutral one stands under Concentration.
        reference: What is usual.
    """
    ranks = {}
    for file in sorted(folder.glob("*.flac")):
        acted = file.stem.partition("_")[2]
        emotion = CLASS_EMOTION["neutral"] if acted == "neutral" else resolve(acted)
        scores = score([load_audio(file)])[0]
        unusual = z_scores(dict(zip(EMOTION_NAMES, scores, strict=True)), reference)
        order = sorted(EMOTION_NAMES, key=lambda name: -float(unusual[name]))
        ranks[file.stem] = order.index(emotion) + 1
    return ranks


def coarse_probabilities(scores: np.ndarray, reduce: str = "max") -> np.ndarray:
    """`(clips, 40)` scores to `(clips, 7)` class scores.

    Softmax over the emotions that Table 11 maps (37); a class has the largest (`max`) or the
    average (`mean`) probability of its constituents.

    Example:
        >>> anger = np.zeros((1, 40))
        >>> anger[0, EMOTION_NAMES.index("Anger")] = 3.0
        >>> CLASSES[int(coarse_probabilities(anger).argmax())]
        'anger'
    """
    raised = np.exp(scores - scores[:, _MAPPED].max(1, keepdims=True))
    probabilities = raised / raised[:, _MAPPED].sum(1, keepdims=True)
    parts = [probabilities[:, members] for members in MEMBERS]
    return np.stack([part.max(1) if reduce == "max" else part.mean(1) for part in parts], axis=1)


def _rates(truth: np.ndarray, guess: np.ndarray) -> tuple[float, float, float]:
    """Accuracy, unweighted average recall and macro-F1 over the classes that occur in `truth`."""
    recalls, f1s = [], []
    for c in np.unique(truth):
        hits = np.sum((truth == c) & (guess == c))
        recalls.append(hits / np.sum(truth == c))
        f1s.append(2 * hits / (np.sum(truth == c) + np.sum(guess == c)))
    return float(np.mean(truth == guess)), float(np.mean(recalls)), float(np.mean(f1s))


def measure_classes(
    scores: np.ndarray, labels: list[str], speakers: list[str], resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Top-1 accuracy, UAR and macro-F1 with 95 % percentile bootstrap intervals, and the rest.

    Only the classes that `labels` name can be answered.

    Intervals come twice: resampling clips, and resampling whole speakers, which are few: see
    `resampled_interval`.
    """
    classes = [name for name in CLASSES if name in labels]
    columns = [CLASSES.index(name) for name in classes]
    truth = np.array([classes.index(label) for label in labels])
    probabilities = coarse_probabilities(scores)[:, columns]
    guess = probabilities.argmax(1)
    rng = np.random.default_rng(seed)
    who = np.array(speakers)
    names = np.unique(who)
    draws: dict[str, list[tuple[float, float, float]]] = {"clip": [], "speaker": []}
    for _ in range(resamples):
        index = rng.integers(len(truth), size=len(truth))
        draws["clip"].append(_rates(truth[index], guess[index]))
        chosen = rng.choice(names, len(names))
        index = np.concatenate([np.flatnonzero(who == name) for name in chosen])
        draws["speaker"].append(_rates(truth[index], guess[index]))
    result: dict[str, Any] = {"clips": len(truth), "speakers": names.tolist()}
    for i, key in enumerate(("top1", "uar", "macro_f1")):
        result[key] = round(_rates(truth, guess)[i], 4)
        for by, rows in draws.items():
            n_units = len(names) if by == "speaker" else len(truth)
            interval = resampled_interval(np.array(rows)[:, i], n_units, (0, 1))
            result[f"{key}_interval_by_{by}"] = [round(float(v), 4) for v in interval]
    by_mean = coarse_probabilities(scores, "mean")[:, columns].argmax(1)
    present = probabilities > 1.5 / len(_MAPPED)  # the paper's threshold: 1.5 times uniform chance
    confusion = np.zeros((len(classes), len(classes)), int)
    np.add.at(confusion, (truth, guess), 1)
    result |= {
        "top1_by_speaker": {
            str(n): round(float(np.mean(truth[who == n] == guess[who == n])), 4) for n in names
        },
        "top1_class_score_mean": round(_rates(truth, by_mean)[0], 4),
        "floor_most_frequent": round(float(np.bincount(truth).max() / len(truth)), 4),
        "floor_uar": round(1 / len(classes), 4),
        "lenient_hit_rate": round(float(present[np.arange(len(truth)), truth].mean()), 4),
        "lenient_classes_a_clip": round(float(present.sum(1).mean()), 2),
        "classes": classes,
        "confusion_rows_are_truth": confusion.tolist(),
    }
    return result


def measure_acted(scores: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Spearman's ρ of score and acted intensity, per emotion over all acted clips.

    Nearly all targets of an emotion are 0, and ties among them cap the correlation of a score
    without ties at about 0.27 (5 acted of 200 clips).  So two more: `mean_roc_area`, the chance
    that a clip acting the emotion scores higher than one that does not, and `mean_within_emotion`,
    the correlation among the clips that act it.
    """
    every, areas, within = {}, [], []
    for k, name in enumerate(EMOTION_NAMES):
        acted = targets[:, k] > 0
        if 0 < acted.sum() < len(acted):
            u = mannwhitneyu(scores[acted, k], scores[~acted, k]).statistic
            areas.append(u / (acted.sum() * (~acted).sum()))
        if np.ptp(targets[:, k]) == 0 or np.ptp(scores[:, k]) == 0:
            continue  # undefined: a constant has no ranks; absent from the result, not zero
        every[name] = round(float(spearmanr(scores[:, k], targets[:, k]).statistic), 3)
        if np.ptp(targets[acted, k]) > 0 and np.ptp(scores[acted, k]) > 0:
            within.append(float(spearmanr(scores[acted, k], targets[acted, k]).statistic))
    top = scores.argmax(1) == targets.argmax(1)
    return {
        "clips": len(scores),
        "mean_spearman": round(float(np.mean(list(every.values()) or [0.0])), 4),
        "emotions_with_a_spearman": len(every),
        "mean_roc_area": round(float(np.mean(areas)), 4),
        "constant_heads": int(np.sum(np.std(scores, axis=0) < 1e-3)),
        "mean_within_emotion": round(float(np.mean(within)), 4) if within else None,
        "top1_of_40": round(float(top[targets.max(1) > 0].mean()), 4),
        "spearman": every,
    }
