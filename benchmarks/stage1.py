"""Stage 1 on real Whisper weights: captions learned from acted clips, read back on unseen ones.

python benchmarks/stage1.py --whisper path/to/whisper-base --work folder

What lies in the folder is used: a run that was stopped goes on, one that ended is measured again.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

# The emotion that each class of acted corpora is named after: 40 would need thousands of clips.
EMOTIONS = ("Anger", "Emotional Numbness", "Disgust", "Fear", "Elation", "Concentration",
            "Sadness", "Astonishment/Surprise")  # fmt: skip
TEST_CLIPS = 15  # of each emotion
RESAMPLES = 1_000


def main() -> None:
    """Command line of `stage1.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--whisper", type=Path, required=True, help="Whisper with its decoder")
    parser.add_argument("--work", type=Path, required=True, help="folder for the trained encoder")
    parser.add_argument("--clips", type=int, default=60, help="of each emotion, to learn from")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--layers", type=int, default=2, help="of the encoder, from the first")
    arguments = parser.parse_args()
    train(arguments.whisper, arguments.work, arguments.clips, arguments.steps, arguments.layers)
    from benchmarks.report import write_report

    results = measure(arguments.work / "encoder")
    plot(results["history"], HERE / "results" / "stage1.png")
    write_report(results, HERE / "results" / "stage1.json")


def acted(clips: int, split: str) -> Any:
    """Acted clips of `EMOTIONS`; the splits share no voice and no sentence."""
    from dataset_scripts.synthesis.acted_dataset import acted_dataset

    return acted_dataset(clips, split, emotions=EMOTIONS)


def train(whisper: Path, work: Path, clips: int, steps: int, layers: int) -> None:
    """Runs `emonet-voice train encoder`, as a function."""
    from modeling_empathic.training.encoder import EncoderSettings, train_encoder

    if (work / "encoder").exists():
        return
    settings = EncoderSettings(
        model=str(whisper), window_s=2, layers=layers, steps=steps, batch_size=16,
        learning_rate=1.5e-4, bf16=True, device="cpu", save_steps=100, eval_clips=48,
    )  # fmt: skip

    def show(step: int, of: int, figures: dict[str, float]) -> None:
        print(json.dumps({"step": step, "of": of, **figures}), file=sys.stderr, flush=True)

    train_encoder(
        acted(clips, "train"), acted(TEST_CLIPS, "test"), work / "encoder", settings, progress=show
    )


def measure(encoder: Path) -> dict[str, Any]:
    """Captions of the saved checkpoint for every unseen clip, read back; nothing was chosen by it.

    The interval is over voices: a speaker is one eSpeak variant in one language.
    """
    import numpy as np

    from benchmarks.report import machine
    from modeling_empathic.training.captioner import write_captions
    from modeling_empathic.training.read_back import read_back

    clips = acted(TEST_CLIPS, "test")
    captions = write_captions(encoder, clips["audio"])
    scores = np.array(clips["emotion_scores"])
    voices = np.array(clips["voice"])
    random = np.random.default_rng(0)

    def spearman(rows: np.ndarray, of: np.ndarray) -> float:
        return float(read_back([captions[row] for row in rows], scores[of])["spearman"])

    everyone = np.arange(len(captions))
    drawn = []
    for _ in range(RESAMPLES):
        chosen = random.choice(np.unique(voices), len(np.unique(voices)))
        rows = np.concatenate([np.flatnonzero(voices == voice) for voice in chosen])
        drawn.append(spearman(rows, rows))
    dealt = [spearman(random.permutation(everyone), everyone) for _ in range(RESAMPLES)]
    record = json.loads((encoder / "training_args.json").read_text("utf-8"))
    told = ("arguments", "model", "data", "starts")
    return {
        "machine": machine(),
        "run": {name: record[name] for name in told},
        "history": [
            {key: value for key, value in entry.items() if isinstance(value, int | float | None)}
            for entry in json.loads((encoder / "evaluation.json").read_text("utf-8"))["history"]
        ],
        "test": {
            **read_back(captions, scores),
            "spearman_interval": np.percentile(drawn, [2.5, 97.5]).tolist(),
            "spearman_captions_shuffled": float(np.mean(dealt)),
            "voices": len(np.unique(voices)),
            "emotions": list(EMOTIONS),
        },
        "captions": [
            {"emotion": clip["emotion"], "intensity": clip["intensity"], "caption": caption}
            for clip, caption in zip(clips, captions, strict=True)
        ],
    }


def plot(history: list[dict[str, Any]], file: Path) -> None:
    """Caption loss in training and on unseen clips, and Spearman of what is read back."""
    from modeling_empathic.report.figures import DARK, ORANGE, PURPLE, picture

    with picture(file, 5, 3.4) as figure:
        axes = figure.subplots()
        for key, colour, name in (
            ("loss", ORANGE, "training clips"), ("eval_loss", PURPLE, "unseen clips"),
        ):  # fmt: skip
            points = [(entry["step"], entry[key]) for entry in history if key in entry]
            axes.plot(*zip(*points, strict=True), color=colour, marker="o", ms=3, label=name)
        axes.set(xlabel="step", ylabel="caption loss (nats a token)", yscale="log")
        axes.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        axes.minorticks_off()
        other = axes.twinx()
        points = [
            (entry["step"], entry["eval_spearman"] or 0.0)  # null: no caption parses yet
            for entry in history
            if "eval_spearman" in entry
        ]
        other.plot(*zip(*points, strict=True), color=DARK, ls=":", marker="s", ms=3,
                   label="Spearman, unseen clips")  # fmt: skip
        other.set(ylabel="Spearman of levels read back", ylim=(-0.05, 1))
        figure.suptitle("Stage 1: caption loss, and what is read back from the captions",
                        x=0.02, ha="left", fontsize=10)  # fmt: skip
        figure.legend(loc="outside lower center", ncols=3, frameon=False, columnspacing=1)


def stage1_table(results: dict[str, Any]) -> str:
    """What one run reached, for `benchmarks/README.md`."""
    from benchmarks.report import describe

    test, arguments = results["test"], results["run"]["arguments"]
    evaluated = [entry for entry in results["history"] if "eval_loss" in entry]
    low, high = test["spearman_interval"]
    rows = results["run"]["data"]["train"]["rows"]
    losses = " → ".join(f"{entry['eval_loss']:.2f}" for entry in evaluated)
    steps = ", ".join(str(entry["step"]) for entry in evaluated)
    per_emotion = ", ".join(f"{name} {value:.2f}" for name, value in test["per_emotion"].items())
    examples = [entry for entry in results["captions"] if entry["intensity"] >= 3][:4]
    return "\n".join(
        [
            f"{describe(results['machine'])} {rows} acted clips of {len(test['emotions'])} "
            f"emotions to learn from, {arguments['steps']} steps of {arguments['batch_size']}, "
            f"learning rate {arguments['learning_rate']:g}, SpecAugment, bfloat16; the encoder "
            f"is cut to its first {arguments['layers']} layers and hears the first "
            f"{arguments['window_s']} s (its positions are cut to them); nothing is frozen.",
            "",
            "| | |",
            "|---|---|",
            f"| caption loss on unseen clips at steps {steps} | {losses} |",
            f"| Spearman of the levels read back from {test['clips']} unseen clips, mean over "
            f"{len(test['per_emotion'])} emotions [95 % over {test['voices']} voices] | "
            f"{test['spearman']:.3f} [{low:.3f}, {high:.3f}] |",
            f"| … over all clips and all 40 emotions at once | {test['spearman_pooled']:.3f} |",
            f"| … captions dealt to other clips (floor) | "
            f"{test['spearman_captions_shuffled']:.3f} |",
            f"| captions that do not parse | {test['unparsed']} of {test['clips']} |",
            f"| emotions that the captions never vary | {test['silent_on']} |",
            f"| each emotion | {per_emotion} |",
            "",
            "What it wrote of the first strongly acted unseen clips:",
            "",
            *(
                f"- {entry['emotion']}, {entry['intensity']:g} of 4: *{entry['caption']}*"
                for entry in examples
            ),
            "",
            "![Caption loss and Spearman over the steps](results/stage1.png)",
        ]
    )


if __name__ == "__main__":
    main()
