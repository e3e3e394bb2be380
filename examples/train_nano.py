"""Rebuild Nano, the embedded default checkpoint: synthesise, encode, fit heads, measure, write.

    python examples/train_nano.py --encoder WHISPER_TINY_FOLDER --emodb EMODB_FOLDER

Nano exists so that the package can be tried with nothing to download. Its encoder is the first two
layers of the real Whisper tiny (MIT), untouched; 40 pooled heads on it learn the EmoDB classes
through the paper's Table 11 and a corpus acted by rules. Four EmoDB speakers take part in no step
but the measurement.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import WhisperFeatureExtractor

sys.path.insert(0, str(Path(__file__).parent))
from nano_card import model_card
from nano_data import TEST_SPEAKERS, Clip, acted_clip, no_speech, read_emodb, vary
from nano_measure import measure, measure_examples
from nano_train import CLASSES, Recipe, Taught, fit_heads, log, new_model, statistics

from dataset_scripts.synthesis.acted import acted_corpus
from modeling_empathic.modeling_empathic import EmpathicInsightModel
from modeling_empathic.reference_scores import make_reference, write_reference
from modeling_empathic.report.files import sha256, write_json
from modeling_empathic.scoring.loading import NANO_NAME, fingerprint
from modeling_empathic.taxonomy import EMOTION_NAMES

NANO = Path(__file__).parents[1] / "modeling_empathic" / "nano"
CLIPS = Path(__file__).parent / "clips"
MAX_BYTES = 10_000_000
SMOKE = Recipe(
    emodb_views=1,
    acted_per_emotion=1,
    acted_views=0,
    acted_test_per_emotion=1,
    no_speech_clips=4,
    members=1,
    steps=30,
)


def teach(
    model: EmpathicInsightModel, learn: list[Clip], recipe: Recipe
) -> tuple[Taught, torch.Tensor, dict[str, Any]]:
    """What the heads learn from, which rows are acted clips as they are, and how much there is.

    Args:
        model: Its encoder is used.
        learn: EmoDB clips of the training speakers; may be empty.
        recipe: Numbers of clips and variations.
    """
    rng = np.random.default_rng(recipe.seed)
    acted = [
        acted_clip(clip) for clip in acted_corpus(recipe.acted_per_emotion, "train", recipe.seed)
    ]
    empty = no_speech(recipe.no_speech_clips, rng)
    pairs = [(clip, clip.audio) for clip in learn]
    pairs += [(clip, vary(clip.audio, rng)) for clip in learn for _ in range(recipe.emodb_views)]
    pairs += [(clip, clip.audio) for clip in [*acted, *empty]]
    pairs += [(clip, vary(clip.audio, rng)) for clip in acted for _ in range(recipe.acted_views)]
    inputs = statistics(model, [audio for _, audio in pairs], "encode")
    classes = torch.tensor(
        [CLASSES.index(c.label) if c.label in CLASSES and c.real else -1 for c, _ in pairs]
    )
    neutral = inputs.clone()
    for speaker in {clip.speaker for clip in learn}:
        own = torch.tensor([c.real and c.speaker == speaker for c, _ in pairs])
        calm = own & (classes == CLASSES.index("neutral"))
        if calm.any():
            neutral[own] = inputs[calm].mean(0)
    targets = torch.from_numpy(np.stack([clip.targets for clip, _ in pairs]))
    first = len(learn) * (1 + recipe.emodb_views)  # of the acted clips
    plain = torch.arange(first, first + len(acted))
    return (
        Taught(inputs, targets, classes, neutral),
        plain,
        {
            "emodb_clips": len(learn),
            "emodb_speakers": sorted({clip.speaker for clip in learn}),
            "acted_clips": len(acted),
            "acted_hours": round(sum(len(c.audio) for c in acted) / 16_000 / 3600, 3),
            "no_speech_clips": len(empty),
            "taught_clips": len(pairs),
        },
    )


def scorer(model: EmpathicInsightModel) -> Callable[[list[np.ndarray]], np.ndarray]:
    """A function from a list of 16 kHz clips to `(clips, 40)` scores."""

    def score(audios: list[np.ndarray]) -> np.ndarray:
        pooled = statistics(model, audios, "score")
        with torch.inference_mode():
            scores: np.ndarray = model.heads["pooled"](pooled)[0].numpy()
        return scores

    return score


def save(model: EmpathicInsightModel, folder: Path) -> None:
    """Writes the model in float16, which holds its weights exactly, to be read as float32.

    A model that is computed in float16 trains to NaN.
    """
    narrow: Any = copy.deepcopy(model)
    narrow.half().save_pretrained(folder)
    for code in folder.glob("*.py"):  # the package has the code; `publish` adds its copies
        code.unlink()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = config["encoder_config"]["dtype"] = "float32"
    write_json(folder / "config.json", config)
    WhisperFeatureExtractor().save_pretrained(folder)


def machine() -> dict[str, Any]:
    """What the run ran on."""
    packages = ("torch", "transformers", "numpy", "librosa", "espeakng-loader")
    return {
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def main() -> None:
    """Command line of `train_nano.py`."""
    parser = argparse.ArgumentParser(
        description="Rebuild Nano, the embedded default checkpoint of emonet-voice.",
        epilog="example: python examples/train_nano.py --encoder models/whisper-tiny.en "
        "--emodb data/emodb --unseen data/nemo --output /tmp/nano",
    )
    parser.add_argument("--encoder", type=Path, required=True, help="folder of Whisper tiny")
    parser.add_argument("--emodb", type=Path, help="EmoDB folder with metadata.csv")
    parser.add_argument(
        "--unseen",
        type=Path,
        help="folder with metadata.csv (file_name, speaker, emotion): a corpus to measure on only",
    )
    parser.add_argument("--output", type=Path, default=NANO, help="folder to write (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--smoke", action="store_true", help="walk the whole path with tiny amounts in a minute"
    )
    args = parser.parse_args()
    if not args.smoke and not args.emodb:
        parser.error("--emodb is needed (only --smoke works without it)")
    if args.smoke and args.output == NANO:
        parser.error("--smoke must not replace the real Nano: give another --output")
    for folder in (args.emodb, args.unseen):
        if folder and not (folder / "metadata.csv").is_file():
            parser.error(f"no metadata.csv in {folder}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")

    start = time.monotonic()
    recipe = replace(SMOKE if args.smoke else Recipe(), seed=args.seed)
    emodb = read_emodb(args.emodb) if args.emodb else []
    learn = [clip for clip in emodb if clip.speaker not in TEST_SPEAKERS]
    model = new_model(args.encoder, recipe)
    taught, plain, training = teach(model, learn, recipe)
    fit_heads(model, taught, recipe)
    probe = [clip.audio for clip in emodb[:16]] or [np.zeros(16_000, np.float32)]
    before = scorer(model)(probe)
    args.output.mkdir(parents=True, exist_ok=True)
    save(model, args.output)
    # What is measured is what is shipped: the folder, read back.
    shipped = EmpathicInsightModel.from_pretrained(args.output).eval()
    score = scorer(shipped)
    with torch.inference_mode():
        usual = shipped.heads["pooled"](taught.inputs[plain])[0]
    what = f"{len(plain)} clips acted by rules, all 40 emotions alike, in four languages."
    reference = make_reference(
        {name: usual[:, i] for i, name in enumerate(EMOTION_NAMES)},
        clips=what,
        model=NANO_NAME,
        revision="",
    )
    held_out = [clip for clip in emodb if clip.speaker in TEST_SPEAKERS]
    acted = [
        acted_clip(c) for c in acted_corpus(recipe.acted_test_per_emotion, "test", recipe.seed)
    ]
    report: dict[str, Any] = {
        "recipe": asdict(recipe),
        "smoke": args.smoke,
        "test_speakers_by_rule": list(TEST_SPEAKERS),
        "training": training,
        "measured": {
            **measure(score, held_out, acted, args.unseen),
            "examples_rank_of_the_acted_emotion": measure_examples(score, CLIPS, reference),
            "saved_against_trained_max_error": round(float(np.abs(score(probe) - before).max()), 7),
        },
        "parameters": shipped.num_parameters(),
        "model_bytes": (args.output / "model.safetensors").stat().st_size,
        "model_sha256": sha256(args.output / "model.safetensors"),
        "machine": machine(),
        "wall_time_s": round(time.monotonic() - start, 1),
    }
    if report["model_bytes"] > MAX_BYTES:
        raise SystemExit(f"Nano is too large: {report['model_bytes']} > {MAX_BYTES} bytes")
    write_json(args.output / "training.json", report, indent=1)
    reference = reference._replace(revision=fingerprint(args.output))
    write_reference(reference, args.output / "reference_scores.json")
    if not args.smoke:
        (args.output / "README.md").write_text(model_card(report), encoding="utf-8")
    log.info("wrote %s, %.0f s", args.output, report["wall_time_s"])


if __name__ == "__main__":
    main()
