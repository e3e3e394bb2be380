"""Rebuild Nano, the embedded default checkpoint: synthesise, distil, fit heads, measure, write.

    python examples/train_nano.py --teacher openai/whisper-base --emodb EMODB_FOLDER

Nano exists so that the package can be tried with nothing to download.  A small Whisper-shaped
encoder learns the states of a middle layer of Whisper base (teacher, MIT), then 40 pooled heads
learn the EmoDB classes through the paper's Table 11 and a corpus acted by rules.  Four EmoDB
speakers take part in no step but the last measurement.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

sys.path.insert(0, str(Path(__file__).parent))
from nano_card import model_card
from nano_data import TEST_SPEAKERS, Clip, acted_clip, read_emodb, vary, vary_length
from nano_measure import measure_acted, measure_emodb
from nano_train import cache_teacher, distil, fit_heads, log, pooled_states

from dataset_scripts.synthesis.acted import acted_corpus
from modeling_empathic.configuration_empathic import EmpathicInsightConfig
from modeling_empathic.modeling_empathic import EmpathicInsightModel
from modeling_empathic.report.files import write_json
from modeling_empathic.taxonomy import EMOTION_NAMES

Scorer = Callable[[list[np.ndarray]], np.ndarray]  # 16 kHz clips to (clips, 40)
NANO = Path(__file__).parents[1] / "modeling_empathic" / "nano"
MAX_BYTES = 10_000_000


@dataclass(frozen=True)
class Recipe:
    """Every number that decides what Nano becomes."""

    seed: int = 0
    # On EmoDB's training speakers a probe of pooled Whisper-base states is best after layer 3
    # (0.83; after layer 6, the last, 0.56): voice quality fades as words take over.
    teacher_layer: int = 3
    d_model: int = 128
    encoder_layers: int = 3
    attention_heads: int = 2
    projection_dim: int = 32
    hidden_dims: tuple[int, ...] = (64, 32, 16)  # at 8 wide, seven of forty heads fell silent
    acted_per_emotion: int = 15
    acted_test_per_emotion: int = 5
    distil_views: int = 6  # variations of each EmoDB clip
    distil_steps: int = 1500
    distil_rate: float = 2e-3
    head_acted_per_emotion: int = 24
    head_views: int = 3
    head_steps: int = 1500
    head_rate: float = 1e-3
    head_decay: float = 0.1
    emodb_share: float = 0.5  # of the clips drawn for the heads; the rest is acted or no speech
    silent_clips: int = 40


SMOKE = Recipe(
    d_model=32,
    encoder_layers=1,
    attention_heads=1,
    projection_dim=8,
    hidden_dims=(8, 8, 4),
    acted_per_emotion=1,
    head_acted_per_emotion=1,
    acted_test_per_emotion=1,
    distil_views=1,
    distil_steps=5,
    head_views=1,
    head_steps=50,
    silent_clips=2,
)


def load_teacher(name: str) -> tuple[WhisperEncoder, WhisperFeatureExtractor]:
    """The encoder of a Whisper checkpoint (folder or Hub id) and its log-mel extractor."""
    teacher = WhisperModel.from_pretrained(name, dtype=torch.float32).encoder.eval()
    return teacher, WhisperFeatureExtractor.from_pretrained(name)


def smoke_teacher() -> tuple[WhisperEncoder, WhisperFeatureExtractor]:
    """An untrained stand-in, so that the path can be walked with no file at hand."""
    config = WhisperConfig(
        d_model=32, encoder_layers=3, encoder_attention_heads=1, encoder_ffn_dim=64
    )
    extractor = WhisperFeatureExtractor()
    return WhisperEncoder(config).eval(), extractor


def new_model(recipe: Recipe) -> EmpathicInsightModel:
    """Nano with random weights."""
    encoder = WhisperConfig(
        d_model=recipe.d_model,
        encoder_layers=recipe.encoder_layers,
        encoder_attention_heads=recipe.attention_heads,
        encoder_ffn_dim=4 * recipe.d_model,
        decoder_layers=0,
        vocab_size=8,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
    )
    heads = [
        {
            "name": name,
            "kind": "pooled",
            "scale": [0, 4],
            "group": "emotion",
            "polarity": "higher is stronger",
        }
        for name in EMOTION_NAMES
    ]
    return EmpathicInsightModel(
        EmpathicInsightConfig(
            encoder_config=encoder,
            heads=heads,
            projection_dim=recipe.projection_dim,
            hidden_dims=list(recipe.hidden_dims),
        )
    )


def silence(count: int, rng: np.random.Generator) -> list[Clip]:
    """Digital silence and hiss at -80 to -30 dB, 1-30 s: nothing is conveyed, all targets 0."""
    clips = []
    for i in range(count):
        level = 0.0 if i % 4 == 0 else 10 ** (rng.uniform(-80, -30) / 20)
        noise = level * rng.standard_normal(int(rng.uniform(1, 30) * 16_000))
        clips.append(Clip(noise.astype(np.float32), np.zeros(40, np.float32), "silence", "none"))
    return clips


def scorer(model: EmpathicInsightModel, extractor: WhisperFeatureExtractor) -> Scorer:
    """A function from a list of 16 kHz clips to `(clips, 40)` scores, one padded window a clip."""

    def score(audios: list[np.ndarray]) -> np.ndarray:
        pooled = pooled_states(model, audios, extractor)
        with torch.inference_mode():
            scores: np.ndarray = model.heads["pooled"](pooled)[0].numpy()
        return scores

    return score


def views(clips: list[Clip], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`count` variations of each clip, in the clips' order; silence stays what it is."""
    return [
        clip.audio if clip.label == "silence" else vary(vary_length(clip, clips, rng), rng)
        for clip in clips
        for _ in range(count)
    ]


def sample_weights(n_emodb: int, n_other: int, emodb_share: float) -> torch.Tensor:
    """How often to draw each clip, so that EmoDB is `emodb_share` of what is drawn."""
    emodb_share = emodb_share if n_emodb else 0.0
    return torch.tensor(
        [emodb_share / max(n_emodb, 1)] * n_emodb + [(1 - emodb_share) / n_other] * n_other
    )


def stack_targets(clips: list[Clip]) -> torch.Tensor:
    """`(clips, 40)`."""
    return torch.from_numpy(np.stack([clip.targets for clip in clips]))


def train_encoder(
    recipe: Recipe,
    model: EmpathicInsightModel,
    teacher: WhisperEncoder,
    extractor: WhisperFeatureExtractor,
    learn: list[Clip],
) -> dict[str, Any]:
    """Steps (a) and (b): the acted corpus and the distilled encoder."""
    rng = np.random.default_rng(recipe.seed)
    acted = [acted_clip(a) for a in acted_corpus(recipe.acted_per_emotion, "train", recipe.seed)]
    log.info("encoder learns from %d EmoDB and %d acted clips", len(learn), len(acted))
    heard = [clip for clip in learn for _ in range(recipe.distil_views)]
    with tempfile.TemporaryDirectory() as folder:
        features, states = cache_teacher(
            [*views(learn, recipe.distil_views, rng), *views(acted, 1, rng)],
            teacher,
            recipe.teacher_layer,
            extractor,
            Path(folder, "states.npy"),
        )
        distilled = distil(
            model.encoder,
            features,
            states,
            stack_targets([*heard, *acted]),
            sample_weights(len(heard), len(acted), recipe.emodb_share),
            recipe.distil_steps,
            recipe.distil_rate,
            recipe.seed,
        )
        del states
    return {
        "emodb_clips": len(learn),
        "emodb_speakers": sorted({c.speaker for c in learn}),
        "acted_clips": len(acted),
        "distil_clips": len(features),
        "distilled": distilled,
    }


def train_heads(
    recipe: Recipe,
    model: EmpathicInsightModel,
    extractor: WhisperFeatureExtractor,
    learn: list[Clip],
) -> dict[str, Any]:
    """Step (c): the heads, on 30 s windows of one padded clip each, which is what they will get."""
    rng = np.random.default_rng([recipe.seed, 1])
    acted = [
        acted_clip(a) for a in acted_corpus(recipe.head_acted_per_emotion, "train", recipe.seed)
    ]
    log.info("heads learn from %d EmoDB and %d acted clips", len(learn), len(acted))
    heard = [*learn, *(clip for clip in learn for _ in range(recipe.head_views))]
    other = [*acted, *silence(recipe.silent_clips, rng)]
    audios = [clip.audio for clip in learn]
    audios += [*views(learn, recipe.head_views, rng), *views(other, 1, rng)]
    error = fit_heads(
        model,
        pooled_states(model, audios, extractor),
        stack_targets([*heard, *other]),
        sample_weights(len(heard), len(other), recipe.emodb_share),
        recipe.head_steps,
        recipe.head_rate,
        recipe.head_decay,
        recipe.seed,
    )
    return {
        "head_acted_clips": len(acted),
        "head_acted_hours": round(sum(len(c.audio) for c in acted) / 16_000 / 3600, 3),
        "head_clips": len(audios),
        "head_squared_error": round(error, 4),
    }


def measure(recipe: Recipe, score: Scorer, emodb: list[Clip]) -> dict[str, Any]:
    """Step (d): what the finished model does on voices it never heard."""
    acted_raw = list(acted_corpus(recipe.acted_test_per_emotion, "test", recipe.seed))
    acted = [acted_clip(a) for a in acted_raw]
    scores = score([c.audio for c in acted])
    plain = scores[[c.targets.max() == 0 for c in acted]]
    result: dict[str, Any] = {
        "acted_test_voices": measure_acted(scores, np.stack([c.targets for c in acted])),
        "plain_speech_share_within_0_4": round(
            float(np.mean((plain > -0.25) & (plain < 4.25))) if len(plain) else 1.0, 4
        ),
        "digital_silence_largest_score": round(
            float(np.abs(score([np.zeros(16_000, np.float32)])).max()), 3
        ),
    }
    held_out = [clip for clip in emodb if clip.speaker in TEST_SPEAKERS]
    if held_out:
        scores = score([c.audio for c in held_out])
        result["emodb_test_speakers"] = measure_emodb(
            scores, [c.label for c in held_out], [c.speaker for c in held_out]
        )
        result["emodb_scores_share_within_0_4"] = round(
            float(np.mean((scores > -0.25) & (scores < 4.25))), 4
        )
        short = score([c.audio[: len(c.audio) * 2 // 3] for c in held_out])
        result["emodb_test_speakers_first_two_thirds_top1"] = measure_emodb(
            short, [c.label for c in held_out], [c.speaker for c in held_out], resamples=1
        )["top1"]
    return result


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
        epilog="example: python examples/train_nano.py --teacher openai/whisper-base "
        "--emodb data/emodb --output /tmp/nano",
    )
    parser.add_argument("--teacher", help="Whisper base: folder or Hub id")
    parser.add_argument("--emodb", type=Path, help="EmoDB folder with metadata.csv")
    parser.add_argument("--output", type=Path, default=NANO, help="folder to write (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="walk the whole path with tiny amounts in a minute; teacher and EmoDB may be absent",
    )
    parser.add_argument(
        "--heads-only",
        action="store_true",
        help="keep the encoder in --output and train only the heads again (no teacher needed)",
    )
    args = parser.parse_args()
    if not args.smoke and not (args.emodb and (args.teacher or args.heads_only)):
        parser.error("--teacher and --emodb are needed (only --smoke works without them)")
    if args.smoke and args.output == NANO:
        parser.error("--smoke must not replace the real Nano: give another --output")
    if args.emodb and not (args.emodb / "metadata.csv").is_file():
        parser.error(f"no metadata.csv in {args.emodb}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)

    start = time.monotonic()
    recipe = replace(SMOKE if args.smoke else Recipe(), seed=args.seed)
    # The stock one: 80 mel bins, 30 s.
    extractor = WhisperFeatureExtractor()
    emodb = read_emodb(args.emodb) if args.emodb else []
    learn = [clip for clip in emodb if clip.speaker not in TEST_SPEAKERS]
    torch.manual_seed(recipe.seed)
    torch.set_flush_denormal(True)  # digital silence makes denormal numbers, ten times slower
    model = new_model(recipe)
    if args.heads_only:
        old = EmpathicInsightModel.from_pretrained(args.output, dtype=torch.float32)
        model.encoder.load_state_dict(old.encoder.state_dict())
        previous = json.loads((args.output / "training.json").read_text(encoding="utf-8"))
        training, encoder_time = previous["training"], previous["encoder_wall_time_s"]
    else:
        teacher, extractor = load_teacher(args.teacher) if args.teacher else smoke_teacher()
        training = train_encoder(recipe, model, teacher, extractor, learn)
        encoder_time = time.monotonic() - start
    training |= train_heads(recipe, model, extractor, learn)

    exact = scorer(model, extractor)
    probe = [clip.audio for clip in emodb[:16]] or [np.zeros(16_000, np.float32)]
    before = exact(probe)
    args.output.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(args.output)  # type: ignore[no-untyped-call]
    for copy in args.output.glob("*.py"):  # the package has the code; `publish` adds its copies
        copy.unlink()
    extractor.save_pretrained(args.output)
    # What is measured is what is shipped: the folder, read back.
    shipped = EmpathicInsightModel.from_pretrained(args.output, dtype=torch.float32)
    score = scorer(shipped, extractor)
    size = (args.output / "model.safetensors").stat().st_size
    report: dict[str, Any] = {
        "recipe": asdict(recipe),
        "smoke": args.smoke,
        "heads_only": args.heads_only,
        "test_speakers_by_rule": list(TEST_SPEAKERS),
        "training": training,
        "measured": {
            **measure(recipe, score, emodb),
            "fp16_against_fp32_max_error": round(float(np.abs(score(probe) - before).max()), 5),
        },
        "parameters": shipped.num_parameters(),
        "model_bytes": size,
        "machine": machine(),
        "encoder_wall_time_s": round(encoder_time, 1),
        "wall_time_s": round(
            time.monotonic() - start + (encoder_time if args.heads_only else 0.0), 1
        ),
    }
    if size > MAX_BYTES:
        raise SystemExit(f"model.safetensors has {size} bytes, more than {MAX_BYTES}")
    write_json(args.output / "training.json", report)
    (args.output / "README.md").write_text(model_card(report), encoding="utf-8")
    log.info("wrote %s (%.1f MB) in %.0f s", args.output, size / 1e6, report["wall_time_s"])


if __name__ == "__main__":
    main()
