"""Big's circle: heads taught on a packed corpus hear its held-out voices better than Nano does.

    python benchmarks/big_circle.py WORK --whisper path/to/whisper-base [--train 1600] [--test 400]

Plans and speaks two corpora that share no voice and no text, labels them by what the plan asked
for, packs both, and teaches: one `train encoder` and one `train heads` after it, and one `train
heads` after Nano's own encoder, each by one command on the packed folder. Then all are scored on
the held-out clips. What lies in WORK is used: a run that was stopped goes on.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
VOICES = ("sage", "verse")  # held out, as in `big.py`
RESAMPLES = 1_000


def main() -> None:
    """Command line of `big_circle.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--whisper", type=Path, required=True, help="Whisper with its decoder")
    parser.add_argument("--train", type=int, default=1_600, help="clips to learn from")
    parser.add_argument("--test", type=int, default=400, help="held-out clips")
    parser.add_argument("--steps", type=int, default=200, help="of train encoder")
    arguments = parser.parse_args()
    from benchmarks.report import machine, write_report

    work = arguments.work
    results: dict[str, Any] = {"script": "big_circle", "machine": machine()}
    work.mkdir(parents=True, exist_ok=True)
    for part, n_clips in (("train", arguments.train), ("test", arguments.test)):
        plan(work / f"{part}.parquet", n_clips, held_out=part == "test")
        corpus(work, part)
    packed, encoder = work / "train-packed", work / "encoder"
    results["encoder"] = trained(
        encoder,
        "train", "encoder", packed, encoder, "--config", "all", "--eval-split", "train",
        "--model", arguments.whisper, "--layers", 2, "--window-s", 8, "--steps", arguments.steps,
        "--batch", 8, "--learning-rate", 1e-4, "--eval-clips", 16, "--save-steps", 100, "--bf16",
        "--device", "cpu",
    )  # fmt: skip
    heads = ("--data", packed, "--config", "all", "--folds", 1, "--loss", "mse", "--yes")
    results["heads"] = {
        name: trained(work / name, "train", "heads", *heads, *more, "--output", work / name)
        for name, more in {
            "after Nano's encoder": ("--model", "nano", "--from-scratch"),
            "after the trained encoder": ("--model", encoder, "--pooling", "mean_std"),
        }.items()
    }
    wanted = targets(work / "test")
    scores = {"Nano": scored(work, "nano")}
    scores |= {name: scored(work, work / name) for name in results["heads"]}
    results["clips"] = {"train": arguments.train, "test": len(wanted), "voices": VOICES}
    results["measured"] = {name: measured(found, wanted) for name, found in scores.items()}
    results["measured"]["the same score for every clip"] = measured(
        np.full_like(wanted, float(np.mean(targets(work / "train")))), wanted
    )
    write_report(results, HERE / "results" / "big_circle.json")


def command(*words: object) -> float:
    """Runs `emonet-voice`, whose exit code 1 says that some clips had no luck; seconds."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "emonet_voice.cli.app", *map(str, words)], check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"emonet-voice {' '.join(map(str, words))}: exit code {done.returncode}")
    return time.perf_counter() - start


def trained(output: Path, *words: object) -> dict[str, Any]:
    """Runs a command that trains, once; its line and its seconds."""
    line = " ".join(word.name if isinstance(word, Path) else str(word) for word in words)
    about = output.parent / f"{output.name}.json"
    if not about.exists():
        about.write_text(json.dumps({"line": line, "seconds": round(command(*words))}))
    return dict(json.loads(about.read_text()))


def plan(path: Path, n_clips: int, *, held_out: bool) -> None:
    """A plan of held-out voices and texts only, or of none of them; equally many an emotion."""
    import pyarrow as pa
    from pyarrow import parquet

    from dataset_scripts.generation.plan import SCHEMA, pieces
    from dataset_scripts.generation.texts import is_held_out
    from modeling_empathic.taxonomy import EMOTION_NAMES

    if path.exists():
        return
    room = dict.fromkeys(EMOTION_NAMES, n_clips // len(EMOTION_NAMES))
    rows = []
    for piece in pieces(60_000, 3):
        for row in piece:
            held = {row["voice"] in VOICES, is_held_out(row["text_id"])}
            if held == {held_out} and row["part"] == "factorial" and room[row["target_emotion"]]:
                room[row["target_emotion"]] -= 1
                rows.append(row)
    parquet.write_table(pa.Table.from_pylist(rows, SCHEMA), path)


def corpus(work: Path, part: str) -> None:
    """Speaks, labels and packs a plan."""
    out, labels = work / part, work / f"{part}-targets.jsonl"
    command("big", "generate", work / f"{part}.parquet", out)
    from modeling_empathic.taxonomy import EMOTION_NAMES

    rows = spoken(out)
    lines = [
        {"id": row["id"], **dict.fromkeys(EMOTION_NAMES, 0.0),
         row["target_emotion"]: row["target_intensity"]}
        for row in rows
    ]  # fmt: skip
    labels.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command("big", "annotate", out, "--annotator", "import", "--scores", labels)
    command("big", "build", out, work / f"{part}-packed")


def spoken(out: Path) -> list[dict[str, Any]]:
    """The clips of a folder that there are, by path."""
    from pyarrow import parquet

    rows = parquet.read_table(out / "clips.parquet").to_pylist()
    return sorted((row for row in rows if row["outcome"] == "spoken"), key=lambda row: row["path"])


def targets(out: Path) -> np.ndarray:
    """What the plan asked for: `(clips, 40)` on 0-4."""
    from modeling_empathic.taxonomy import EMOTION_NAMES

    rows = spoken(out)
    wanted = np.zeros((len(rows), len(EMOTION_NAMES)))
    for at, row in enumerate(rows):
        wanted[at, EMOTION_NAMES.index(row["target_emotion"])] = row["target_intensity"]
    return wanted


def scored(work: Path, model: Path | str) -> np.ndarray:
    """Scores of the held-out clips: `(clips, 40)`, by path."""
    from pyarrow import parquet

    from modeling_empathic.taxonomy import EMOTION_NAMES

    output = work / f"{getattr(model, 'name', model)}-scores.parquet"
    if not output.exists():
        command("score", work / "test" / "audio", "--model", model, "--output", output)
    by_name = {Path(row["path"]).name: row for row in parquet.read_table(output).to_pylist()}
    rows = [by_name[Path(row["path"]).name] for row in spoken(work / "test")]
    return np.array([[row[name] for name in EMOTION_NAMES] for row in rows])


def measured(found: np.ndarray, wanted: np.ndarray) -> dict[str, Any]:
    """Mean over the 40 of the area under ROC and of Spearman, and MAE; intervals by clip."""
    from scipy.stats import rankdata, spearmanr

    def area(at: np.ndarray) -> float:
        ranks, meant = rankdata(found[at], axis=0), wanted[at] > 0
        n, all_n = meant.sum(0), len(at)
        u = (ranks * meant).sum(0) - n * (n + 1) / 2
        with np.errstate(invalid="ignore"):
            return float(np.nanmean(u / (n * (all_n - n))))

    every = np.arange(len(wanted))
    draws = np.random.default_rng(0).integers(len(wanted), size=(RESAMPLES, len(wanted)))
    errors = np.abs(found - wanted)
    rho = [spearmanr(found[:, i], wanted[:, i]).statistic if np.ptp(found[:, i]) else np.nan
           for i in range(found.shape[1])]  # fmt: skip
    return {
        "area": area(every),
        "area_95": [float(x) for x in np.percentile([area(d) for d in draws], [2.5, 97.5])],
        "spearman": None if np.isnan(rho).all() else float(np.nanmean(rho)),
        "mae": float(errors.mean()),
        "mae_of_target": float(errors[wanted > 0].mean()),
    }


def big_circle_table(results: dict[str, Any]) -> str:
    """The section of `benchmarks/README.md`."""
    from benchmarks.report import describe

    clips = results["clips"]
    lines = [
        f"{describe(results['machine'])} {clips['train']:,} clips by nine voices teach, "
        f"{clips['test']:,} by two others ({', '.join(clips['voices'])}), of other texts, test. "
        "The plan's targets are the labels: 0-4 for the emotion that was asked for, 0 for the "
        "other 39.",
        "",
        "| heads | ROC area, mean of 40, 95 % by clip | Spearman, mean of 40 | MAE | MAE of the "
        "emotion meant | trained in |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name, row in results["measured"].items():
        low, high = row["area_95"]
        rho = "–" if row["spearman"] is None else f"{row['spearman']:.3f}"
        taught = results["heads"].get(name)
        lines.append(
            f"| {name} | {row['area']:.3f} [{low:.3f}, {high:.3f}] | {rho} | {row['mae']:.3f} | "
            f"{row['mae_of_target']:.2f} | {taught['seconds'] if taught else '–'}"
            f"{' s' if taught else ''} |"
        )
    commands = [results["encoder"], *results["heads"].values()]
    lines += ["", "One command each:", ""]
    lines += [f"    emonet-voice {row['line']}    # {row['seconds']:,} s" for row in commands]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
