"""Stage 2 on real speech: which layers heads should read, and how; memory; processes; kills.

    python benchmarks/stage2.py --whisper path/to/whisper-base --emodb path/to/emodb --work DIR
    python benchmarks/stage2.py --device cuda       # full size, on a GPU

On EmoDB, one head for each of its seven classes (4 for the class, 0 elsewhere, squared errors): in
ten folds, each of one speaker tested, nine to learn from, over all epochs (`patience` 0; beside it
with one of the nine to stop by); the class is the head with the highest score. On the same encoder,
clips and speakers a logistic regression on the mean states. Encoded is the speech alone.

The paper's ablation (A.2), at this size: heads on all states in a row (the first 6 s) against heads
on statistics over time, on one split by speaker.

What was computed stays in DIR, and a second run goes on from there.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

if TYPE_CHECKING:
    import numpy as np

POOLINGS = ("mean", "max", "min", "std", "mean_min_max_std")
LAYER, POSITIONS = 3, 300  # 6 s; a longer clip is cut
# As the literature places the classes on the circumplex (Russell 1980); those in between left out.
QUADRANTS = {
    "valence": (["happiness"], ["anger", "disgust", "fear", "sadness", "boredom"]),
    "arousal": (["anger", "fear", "happiness"], ["boredom", "neutral", "sadness"]),
}
SEED = 0


def main() -> None:
    """Command line of `stage2.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--whisper", help="folder of Whisper base")
    parser.add_argument("--emodb", type=Path, help="folder of EmoDB recordings")
    parser.add_argument("--work", type=Path, default=Path("stage2-work"))
    parser.add_argument(
        "--only", nargs="*", default=["layers", "pooling", "memory", "same", "readings"]
    )
    parser.add_argument("--device", default="cpu", help="cuda: full size, and nothing else")
    arguments = parser.parse_args()
    from benchmarks.report import machine, write_report
    from benchmarks.stage2_cost import full_size, memory, same

    name = "stage2" if arguments.device == "cpu" else "stage2-cuda"
    file = HERE / "results" / f"{name}.json"
    arguments.work.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "layers": lambda: layers(arguments.whisper, arguments.emodb, arguments.work),
        "pooling": lambda: pooling(arguments.whisper, arguments.emodb, arguments.work),
        "memory": lambda: memory(arguments.work),
        "same": lambda: same(arguments.work),
        "readings": lambda: readings(arguments.emodb),
    }
    if arguments.device != "cpu":
        parts, arguments.only = {"full_size": lambda: full_size(arguments.device)}, ["full_size"]
    for part in arguments.only:
        found = parts[part]()
        # Read again: another process may have measured another part meanwhile.
        results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        results |= {part: found, "machine": machine()}
        write_report(results, file)


# ---------------------------------------------------------------------------------- real speech


def emodb(folder: Path) -> Any:
    """EmoDB, one head a class, named as the class."""
    from dataset_scripts.corpora.emodb import EmoDB
    from modeling_empathic.training.folder import fingerprint_files
    from modeling_empathic.training.labels import LabelledClips, with_classes

    files, _ = EmoDB.files(folder)
    rows = [EmoDB.parse_name(file.name) for file in files]
    classes = list(EmoDB.CLASSES)
    names = [file.name for file in files]
    clips = LabelledClips(
        [str(file) for file in files], names, {}, {}, "emodb", fingerprint_files(files),
        speakers=[row["speaker"] for row in rows],
    )  # fmt: skip
    meaning = {word: {f"class {word}": 4.0} for word in classes}
    return with_classes(clips, [classes[row["label"]] for row in rows], meaning)


class Held:
    """States in memory."""

    failed: dict[int, str] = {}  # noqa: RUF012 - the protocol's

    def __init__(self, states: Any):
        self.states = states

    def __len__(self) -> int:
        return len(self.states)

    def read(self, rows: "np.ndarray") -> Any:
        """Those of some clips."""
        import torch

        chosen = torch.as_tensor(rows)
        return self.states[chosen], torch.ones(len(chosen), dtype=torch.bool)


def teach(
    states: Any, labelled: Any, folds: "np.ndarray", kind: str, n_inputs: int, **settings: Any
) -> dict[str, Any]:
    """Trains a head a class in each fold, and measures them on the clips each fold tests."""
    import numpy as np
    import torch

    from modeling_empathic.training.folds import TEST, TRAIN
    from modeling_empathic.training.heads import HeadSpec, Learner, first_guess
    from modeling_empathic.training.learning import Learning
    from modeling_empathic.training.measure import class_scores, recalls
    from modeling_empathic.training.ranks import Ranks
    from modeling_empathic.training.settings import Settings

    given: dict[str, Any] = {"loss": "mse", "seed": SEED}
    chosen = Settings(**(given | settings))
    cpu = torch.device("cpu")
    # The folds' last row is that of the heads to keep, which nothing is measured of.
    learning = Learning(states, folds, labelled.targets, chosen, "mean", cpu, Ranks())
    scalings = learning.scalings({kind})
    widths = (n_inputs, 64, 64, 32, 16, 1)
    predicted = {name: np.full(folds.shape[1], np.nan) for name in labelled.targets}
    tested = [number for number in range(-1, len(folds) - 1) if (folds[number] == TEST).any()]
    specs = [HeadSpec(name, kind, widths, (0.0, 0.1, 0.1, 0.1), number)
             for number in tested for name in labelled.targets]  # fmt: skip
    started, epochs = time.perf_counter(), []
    per_pass = chosen.heads_per_pass or len(specs)
    for first in range(0, len(specs), per_pass):
        learners = {}
        for number, spec in enumerate(specs[first : first + per_pass]):
            taught = labelled.targets[spec.name][folds[spec.fold] == TRAIN]
            learners[number] = Learner(spec, chosen, cpu, first_guess(taught, chosen.loss))
        learning.run(learners, scalings, 0, lambda *_: None, lambda *_: None, lambda *_: None)
        for learner in learners.values():
            learner.head.load_state_dict(learner.best)
            epochs.append(learner.best_epoch)
        for batch, read, _ in learning.whole_batches(np.arange(folds.shape[1])):
            for learner in learners.values():
                wanted = folds[learner.spec.fold][batch] == TEST
                if wanted.any():
                    inputs = learning.inputs(read[torch.from_numpy(wanted)], learner.spec, scalings)
                    with torch.no_grad():
                        predicted[learner.spec.name][batch[wanted]] = learner.head(inputs).numpy()
    named, scores = class_scores(predicted, labelled.label_map)
    classes = sorted(set(named.values()))
    rows = np.flatnonzero(~np.isnan(scores).any(axis=1))
    truth = np.array([classes.index(named[labelled.classes[row]]) for row in rows])
    found = recalls(
        truth, scores[rows].argmax(axis=1), np.array(labelled.speakers)[rows], len(classes), SEED
    )
    return found | {
        "clips": len(rows), "seconds": time.perf_counter() - started,
        "best_epoch_median": float(np.median(epochs)),
    }  # fmt: skip


def speech_states(whisper: str, labelled: Any, work: Path) -> "tuple[Any, Any]":
    """Each clip's mean state after each layer, and all its states after one, in memory.

    Encoded is the speech alone, on one level, as in models with `cut_to_speech`.

    Returns:
        `(clips, layers + 1, d_model)`, first the input of the first layer; and `(clips, POSITIONS,
        d_model)`, zero after the end of the speech.
    """
    import torch
    from safetensors.torch import load_file, save_file

    from modeling_empathic.audio import load_audio
    from modeling_empathic.training.base import load_base

    file = work / "speech.safetensors"
    if not file.exists():
        base = load_base(whisper, labelled.scales, kind="pooled")
        encoder = base.model.encoder
        seen: list[torch.Tensor] = []
        encoder.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        for layer in encoder.layers:
            layer.register_forward_hook(
                lambda _, args, out: seen.append(out[0] if isinstance(out, tuple) else out)
            )
        means, all_of_one = [], []
        for clip in labelled.clips:
            seen.clear()
            heard = base.extractor(load_audio(clip), sampling_rate=16_000, return_tensors="pt")
            with torch.inference_mode():
                encoder(heard.input_features)
            means.append(torch.stack([states.float().mean(1)[0] for states in seen]))
            one = seen[LAYER][0, :POSITIONS]
            all_of_one.append(torch.nn.functional.pad(one, (0, 0, 0, POSITIONS - len(one))))
        states = {"means": torch.stack(means), "one": torch.stack(all_of_one).bfloat16()}
        save_file(states, file)
    kept = load_file(file)
    return kept["means"], kept["one"]


def kept(work: Path, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was measured under a name before, or now: a run that was stopped goes on."""
    from modeling_empathic.report.files import write_json

    file = work / f"{name.replace(' ', '-')}.json"
    if not file.exists():
        write_json(file, measure())
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    print(name, {key: found[key] for key in ("accuracy", "uar")}, flush=True)
    return found


def layers(whisper: str, folder: Path, work: Path) -> dict[str, Any]:
    """Heads on the mean over the speech of each layer, of several, and the probe."""
    import numpy as np

    from evaluate_metrics.generalize.supervised import classify, fold_splits
    from modeling_empathic.training.folds import make_folds
    from modeling_empathic.training.measure import recalls
    from modeling_empathic.training.settings import Settings

    labelled = emodb(folder)
    means, _ = speech_states(whisper, labelled, work)
    n_speakers = len(set(labelled.speakers))
    folds = make_folds(labelled.names, labelled.speakers, n_folds=n_speakers)
    classes = sorted(set(labelled.classes))
    truth = np.array([classes.index(word) for word in labelled.classes])
    speakers = np.array(labelled.speakers)
    _, speaker = np.unique(speakers, return_inverse=True)
    result: dict[str, Any] = {
        "probe": {}, "heads": {}, "speakers": n_speakers, "classes": classes
    }  # fmt: skip
    n_layers = means.shape[1] - 1
    chosen = {"layers 2 to 4": [2, 3, 4], "all layers": list(range(n_layers + 1))}
    chosen |= {f"layer {n}": [n] for n in (LAYER, n_layers)}

    def probe(states: Any) -> dict[str, Any]:
        answers = classify(states.numpy(), truth, fold_splits(speaker))
        rows = answers.rows
        return recalls(truth[rows], answers.said, speakers[rows], len(classes))

    def heads(states: Any, patience: int = 0) -> dict[str, Any]:
        width = states.shape[1]
        return teach(Held(states), labelled, folds, "pooled", width, patience=patience)

    for what, measure in (("probe", probe), ("heads", heads)):
        for name, numbers in chosen.items():
            states = means[:, numbers].flatten(1)
            found = kept(work, f"{what} {name}", lambda do=measure, of=states: do(of))  # type: ignore[misc]
            result[what][name] = found
    means_2_to_4 = means[:, [2, 3, 4]].flatten(1)
    result["stopped early"] = kept(
        work, "heads stopped early", lambda: heads(means_2_to_4, Settings().patience)
    )
    return result


def pooling(whisper: str, folder: Path, work: Path) -> dict[str, Any]:
    """All states in a row against statistics over time, on one split by speaker."""
    import numpy as np
    import torch

    from modeling_empathic.modeling_empathic import pool
    from modeling_empathic.training.folds import make_folds

    labelled = emodb(folder)
    _, one = speech_states(whisper, labelled, work)
    folds = make_folds(labelled.names, labelled.speakers, n_folds=1)
    result: dict[str, Any] = {"layer": LAYER, "positions": POSITIONS, "statistics": {}}
    width = one.shape[-1]
    silent = one.abs().sum(-1, keepdim=True) == 0
    speech = one.float().masked_fill(silent, torch.nan)
    every = torch.cat([pool(part, "mean_min_max_std") for part in speech.split(64)])
    place = {"mean": 0, "min": 1, "max": 2, "std": 3}
    for name in POOLINGS:
        columns = [every[:, place[part] * width :][:, :width] for part in name.split("_")]
        held = Held(torch.cat(columns, dim=1))
        width_in = held.states.shape[1]
        result["statistics"][name] = kept(
            work, f"pooled {name}",
            lambda of=held, n=width_in: teach(of, labelled, folds, "pooled", n),  # type: ignore[misc]
        )  # fmt: skip
    n_inputs = int(np.prod(one.shape[1:]))
    result["full"] = kept(
        work, "full",
        lambda: teach(Held(one), labelled, folds, "full", n_inputs, epochs=25, patience=6),
    )  # fmt: skip
    return result


def readings(folder: Path) -> dict[str, Any]:
    """How well valence and arousal read from Nano's 40 emotions order EmoDB's classes.

    ROC area: the share of pairs of clips, one of a class said to be pleasant (aroused) and one of
    a class said not to be, that the reading has in that order. Speakers that Nano never met.
    """
    from sklearn.metrics import roc_auc_score

    from dataset_scripts.corpora.emodb import EmoDB
    from evaluate_metrics.generalize.clips import heard_speakers, open_corpus, score_clips
    from modeling_empathic.readings import arousal, valence
    from modeling_empathic.reference_scores import read_reference
    from modeling_empathic.scoring.loading import NANO, load_model

    model, extractor, _ = load_model(None, revision=None, heads=[], device="cpu", dtype="float32")
    reference = read_reference(NANO)
    assert reference is not None
    norms = {name: (found.mean, found.sd) for name, found in reference.heads.items()}
    met = heard_speakers(str(NANO), "emodb")
    with open_corpus(folder, EmoDB) as clips:
        unmet = [clip for clip in clips if clip.speaker not in met]
        scored = score_clips(unmet, model, extractor, lambda: None)
    classes = list(EmoDB.CLASSES)
    said = [classes[clip.label] for clip in unmet]
    result: dict[str, Any] = {"clips": len(unmet), "speakers": len({c.speaker for c in unmet})}
    for name, read in (("valence", valence), ("arousal", arousal)):
        high, low = QUADRANTS[name]
        rows = [i for i, word in enumerate(said) if word in (*high, *low)]
        values = read(scored.scores, norms).values[rows]
        result[name] = {
            "roc_area": float(roc_auc_score([said[i] in high for i in rows], values)),
            "high": high, "low": low, "clips": len(rows),
        }  # fmt: skip
    return result


def stage2_table(results: dict[str, Any]) -> str:
    """The section of `benchmarks/README.md`."""
    from benchmarks.report import describe

    def row(name: str, found: dict[str, Any]) -> str:
        cells = []
        for key in ("accuracy", "uar"):
            low, high = found[f"{key}_interval"]
            cells.append(f"{found[key]:.3f} ({low:.3f} to {high:.3f})")
        return f"| {name} | {' | '.join(cells)} |"

    head = "accuracy (95 %, by speaker) | recall (UAR) |"
    lines = [describe(results["machine"]), ""]
    if part := results.get("layers"):
        lines += [f"| EmoDB, {part['speakers']} folds of one speaker | {head}", "|---|---|---|"]
        lines += [row(f"logistic regression, {n}", f) for n, f in part["probe"].items()]
        lines += [row(f"heads, {name}", found) for name, found in part["heads"].items()]
        lines += [row("heads, layers 2 to 4, stopped early", part["stopped early"]), ""]
    if part := results.get("pooling"):
        lines += [f"| EmoDB, one split by speaker, layer {part['layer']} | {head}"]
        lines += ["|---|---|---|", row(f"all {part['positions']} states", part["full"])]
        lines += [row(name.replace("_", ", "), f) for name, f in part["statistics"].items()] + [""]
    if part := results.get("memory"):
        lines += ["| 40 full heads of width 32 | peak memory | seconds |", "|---|---|---|"]
        lines += [
            f"| {name} a pass | {part[name]['peak_gb']:.2f} GB | {part[name]['seconds']:.0f} |"
            for name in ("4", "all")
        ]
        lines += ["", f"Largest difference of a weight: {part['largest_difference']:.1e}.", ""]
    if part := results.get("same"):
        lines += [
            f"Largest difference of a weight from an uninterrupted run in one process: two "
            f"processes {part['two_processes']:.1e}, killed {part['kills']} times "
            f"{part['killed']:.1e}.",
        ]
    if part := results.get("readings"):
        lines += [
            "",
            f"Read from Nano's 40 emotions, {part['speakers']} speakers of EmoDB not met:",
        ]
        for name in ("valence", "arousal"):
            found = part[name]
            lines.append(
                f"{name} puts {', '.join(found['high'])} above {', '.join(found['low'])} with a "
                f"ROC area of {found['roc_area']:.2f} ({found['clips']} clips)."
            )
    if part := results.get("full_size"):
        lines += [
            f"{part['heads']} full Small heads, states on the fly, batch {part['batch']}: "
            f"{part['steps_a_second']:.2f} steps and {part['clips_a_second']:.0f} clips a second, "
            f"{part['peak_gb']:.1f} GB, {100 * part['share_of_bf16_peak']:.0f} % of the card's "
            "measured bfloat16 peak.",
        ]
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    main()
