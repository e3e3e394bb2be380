"""Stage 2 (paper 3.4, A.2): heads on a frozen encoder, a few at a time, and what they reached."""

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..report.files import locked_folder, write_json
from ..scoring.devices import is_out_of_memory
from .base import Base, specs, stored_head, write_model
from .ended import (
    WORK,
    check_output,
    check_run,
    ended_run,
    fingerprint_labels,
    has_ended,
)
from .folds import TEST, TRAIN, VALIDATION, make_folds
from .heads import HeadSpec, Learner, Scaling, first_guess, read_tensors, write_tensors
from .labels import LabelledClips
from .learning import Learning
from .measure import measure
from .ranks import Ranks
from .record import RECORD, surroundings
from .settings import Settings, TrainingError
from .states import FreshStates, bytes_a_clip, fill_cache

Progress = Callable[[str, int], Callable[[int], None]]


def _no_progress(verb: str, total: int) -> Callable[[int], None]:
    return lambda n: None


def train_heads(
    base: Base,
    labelled: LabelledClips,
    output: Path,
    settings: Settings,
    *,
    cache: Path | None = None,
    n_folds: int = 5,
    split: str = "auto",
    from_scratch: bool = False,
    device: str = "cpu",
    progress: Progress = _no_progress,
    log: Callable[[dict[str, float], int], None] = lambda values, step: None,
) -> dict[str, Any]:
    """Trains heads and writes a folder that `AutoModel` loads.

    In folds by speaker first, for the figures, then once more for the heads that are kept. A run
    that was killed goes on where it was when it is called again with the same arguments; one that
    has ended only says again what it measured.

    Args:
        base: Of `load_base`.
        labelled: Of `read_labels`.
        output: Folder to write.
        settings: How to learn.
        cache: Folder for encoder states; `None` computes those of full heads each time they are
            needed, and keeps the statistics that pooled heads read until the run has ended.
        n_folds: Folds to measure in; 1 for a single split, whose heads are kept.
        split: `auto`, `speaker` or `random`.
        from_scratch: Whether heads that the model has begin anew.
        device: Of `choose_device`.
        progress: Makes a bar.
        log: Called after each epoch with losses by name.

    Returns:
        What is in `training_args.json`.

    Raises:
        TrainingError: Anything that a user can put right: no clip can be decoded, an empty part,
            a loss that is not a number, no memory, another run's output.
    """
    from ..scoring.devices import choose_device

    ranks = Ranks(torch.device(device) if device != "auto" else None)
    target = ranks.device(choose_device(device))
    names = [name for name in base.config.head_names if name in labelled.targets]
    folds = make_folds(
        labelled.names, labelled.speakers, n_folds=n_folds, by=split, parts=labelled.parts,
        seed=settings.seed,
    )  # fmt: skip
    numbers = [*range(len(folds) - 1), -1]
    tasks = specs(base.config, names, numbers)
    _check_parts(labelled, folds, names)
    arguments = _arguments(base, labelled, settings, names, n_folds, split, from_scratch)
    if has_ended(output):
        return ended_run(output, arguments)
    with ExitStack() as stack:
        work = output / WORK
        if ranks.rank == 0:
            check_output(output)
            work.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked_folder(work))
            check_run(work, arguments, output)
        ranks.wait()
        torch.nn.Module.to(base.model.encoder, target)
        pooled = all(task.kind == "pooled" for task in tasks)
        fresh = FreshStates(labelled.clips, base.model, base.extractor, pooled=pooled)
        states: Any = fresh
        # Statistics are a few KB a clip: kept beside the checkpoints where no cache was asked for.
        place = cache or (work / "states" if pooled else None)
        try:
            if place is not None:
                key = {"encoder": base.revision, "data": labelled.revision, "clips": len(fresh),
                       "kept": _kept(base, pooled)}  # fmt: skip
                states = fill_cache(place, fresh, key, ranks, progress("Encoding", len(fresh)))
            if len(states.failed) == len(fresh):
                raise TrainingError(f"no clip can be decoded: {next(iter(states.failed.values()))}")
            learning = Learning(
                states, folds, labelled.targets, settings, base.config.pooling, target, ranks
            )
            scalings = learning.scalings({task.kind for task in tasks})
            _learn(base, tasks, learning, scalings, work, labelled, from_scratch, progress, log)
            predictions = _predict(tasks, learning, scalings, work, folds, progress)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise _out_of_memory(settings, target) from error
        if ranks.rank:
            # The first one measures, and removes what it has read; the others read what it wrote.
            # No barrier: who leaves it first closes a connection that others are still in.
            while not has_ended(output):
                time.sleep(0.1)
            return ended_run(output, arguments)
        args = arguments | surroundings() | {"processes": ranks.world, "ran_on": target.type}
        args["undecodable"] = {labelled.names[row]: why for row, why in states.failed.items()}
        args["measured"] = measure(labelled, predictions, folds, settings.seed)
        args["heads"] = {t.name: _notes(work, i) for i, t in enumerate(tasks) if t.fold == -1}
        kept = (
            (task.name, _absorbed(work, number, task, scalings))
            for number, task in enumerate(tasks)
            if task.fold == -1
        )
        write_model(base, output, kept)
        write_json(output / RECORD, args)
        shutil.rmtree(work, ignore_errors=True)  # whoever finds it ended may be at it, too
    return args


def estimate(
    base: Base, labelled: LabelledClips, settings: Settings, n_folds: int, split: str = "auto"
) -> str:
    """What a cache would take and what goes without, in a line for a user who has to choose."""
    folds = make_folds(
        labelled.names, labelled.speakers, n_folds=n_folds, by=split, parts=labelled.parts
    )
    kinds = {spec["kind"] for spec in base.config.heads if spec["name"] in labelled.targets}
    pooled = kinds == {"pooled"}
    size, n = bytes_a_clip(base.model, pooled=pooled), len(labelled.clips)
    times = len(folds)
    n_tasks = len(labelled.targets) * times
    passes = -(-n_tasks // (settings.heads_per_pass or n_tasks))
    fits = f", {times} fits of each ({times - 1} to measure, the last of all clips)" * (times > 1)
    config = base.config
    a_head = max(
        sum(int(np.prod(shape)) for shape in config.head_shapes(kind).values()) for kind in kinds
    )
    at_once = min(settings.heads_per_pass or n_tasks, n_tasks)
    if pooled:
        encoding = f"each encoded once: their statistics take {_bytes(size * n)}"
    else:
        encoding = (
            f"a cache of states takes {size / 1e6:.3g} MB a clip, {_bytes(size * n)} in all, and "
            f"encodes each clip once; without one each is encoded in up to "
            f"{passes * settings.epochs} epochs ({passes} pass{'es' * (passes > 1)})"
        )
    return (
        f"{n} clips: {encoding}. {len(labelled.targets)} heads{fits}, {at_once} at a time, take "
        f"{_bytes(a_head * 4 * 5 * at_once)} beside the encoder."
    )


def _bytes(n: float) -> str:
    unit = next((i for i in range(3) if n < 1000 ** (i + 2)), 3)
    return f"{n / 1000 ** (unit + 1):.3g} {('kB', 'MB', 'GB', 'TB')[unit]}"


def _arguments(
    base: Base, labelled: LabelledClips, settings: Settings, names: Sequence[str],
    n_folds: int, split: str, from_scratch: bool,
) -> dict[str, Any]:  # fmt: skip
    config = base.config
    return {
        "stage": "heads",
        "base": {"name": base.name, "revision": base.revision},
        "data": {"source": labelled.source, "revision": labelled.revision,
                 "clips": len(labelled.clips), "label_map": labelled.label_map},
        "settings": dataclasses.asdict(settings),
        "folds": n_folds, "split": split, "from_scratch": from_scratch,
        "trained": list(names),
        "kinds": sorted({spec["kind"] for spec in config.heads if spec["name"] in names}),
        "scales": {name: list(labelled.scales[name]) for name in names},
        "labels": fingerprint_labels(labelled),
        "encoder_layers": config.encoder.encoder_layers,
        "head_shape": [config.projection_dim, *config.hidden_dims],
        "pooling": config.pooling,
        "cut_to_speech": config.cut_to_speech,
    }  # fmt: skip


def _check_parts(labelled: LabelledClips, folds: np.ndarray, names: Sequence[str]) -> None:
    for name in names:
        known = ~np.isnan(labelled.targets[name])
        for fold in folds:
            for part, word in ((TRAIN, "training"), (VALIDATION, "validation")):
                if not (known & (fold == part)).any():
                    raise TrainingError(
                        f"no clip with a label of {name!r} is left for {word}: more clips or "
                        "speakers are needed, or fewer folds"
                    )


def _kept(base: Base, pooled: bool) -> str:
    encoder = base.config.encoder
    what = base.config.pooling if pooled else "states"
    return f"{what} of {encoder.encoder_layers} layers" + (
        ", cut to speech" if base.config.cut_to_speech else ""
    )


def _out_of_memory(settings: Settings, device: torch.device) -> TrainingError:
    return TrainingError(
        f"out of memory on {device}: choose heads_per_pass below "
        f"{settings.heads_per_pass or 'the number of heads'}, or batch_size below "
        f"{settings.batch_size}"
    )


def _done(work: Path, number: int) -> Path:
    return work / f"{number:05d}.done.safetensors"


def _checkpoints(work: Path, number: int) -> dict[int, Path]:
    return {int(p.name.split(".")[1]): p for p in work.glob(f"{number:05d}.*.safetensors")
            if p.name.split(".")[1].isdigit()}  # fmt: skip


def _notes(work: Path, number: int) -> dict[str, Any]:
    _, notes = read_tensors(_done(work, number))
    return {key: notes[key] for key in ("best_loss", "best_epoch", "curve")}


def _learn(
    base: Base, tasks: Sequence[HeadSpec], learning: Learning, scalings: dict[Any, Scaling],
    work: Path, labelled: LabelledClips, from_scratch: bool, progress: Progress,
    log: Callable[[dict[str, float], int], None],
) -> None:  # fmt: skip
    """Trains what is not done yet, pass by pass."""
    ranks, settings = learning.ranks, learning.settings
    ranks.wait()
    todo = [number for number in range(len(tasks)) if not _done(work, number).exists()]
    ranks.wait()  # nobody writes before all have looked
    sharded = settings.shard == "heads"
    per_pass = (settings.heads_per_pass or len(todo)) * (ranks.world if sharded else 1)
    epochs, together = settings.epochs, ranks.world if sharded else 1
    advance = progress(f"Epochs of {len(tasks)} heads", len(tasks) * epochs)
    advance((len(tasks) - len(todo)) * epochs)
    writes = sharded or ranks.rank == 0
    for first in range(0, len(todo), max(per_pass, 1)):
        of_pass = todo[first : first + per_pass]
        kept = [set(_checkpoints(work, number)) for number in of_pass]
        epoch = max(set.intersection(*kept), default=0)
        ranks.wait()
        mine = of_pass[ranks.rank :: ranks.world] if sharded else of_pass
        learners: dict[int, Learner] = {}
        for number in mine:
            spec = tasks[number]
            scaling = scalings[spec.kind, spec.fold]
            stored = None if from_scratch else stored_head(base, spec.name)
            known = labelled.targets[spec.name][learning.folds[spec.fold] == TRAIN]
            learners[number] = Learner(
                spec, settings, learning.device, first_guess(known, settings.loss),
                scaling.taken_out(stored) if stored else None,
            )  # fmt: skip
            if epoch:
                learners[number].load(_checkpoints(work, number)[epoch])

        def finish(number: int, learner: Learner) -> None:
            if writes:
                notes = {"name": learner.spec.name, "fold": learner.spec.fold,
                         "best_loss": learner.best_loss, "best_epoch": learner.best_epoch,
                         "curve": learner.curve}  # fmt: skip
                write_tensors(_done(work, number), learner.best, notes)
                for file in _checkpoints(work, number).values():
                    file.unlink()
            advance((epochs - learner.epoch) * together)  # it has stopped: none of them will be

        def save(live: dict[int, Learner], at: int) -> None:
            for number, learner in live.items() if writes else ():
                learner.save(work / f"{number:05d}.{at:05d}.safetensors", at)
            ranks.wait()
            for number in live if writes else ():
                for other, file in _checkpoints(work, number).items():
                    if other != at:
                        file.unlink()

        def learnt(losses: dict[str, float], n_heads: int, at: int) -> None:
            advance(n_heads * together)
            log(losses, at)

        advance(epoch * len(of_pass))
        learning.run(learners, scalings, epoch, finish, save, learnt)


def _absorbed(
    work: Path, number: int, task: HeadSpec, scalings: dict[Any, Scaling]
) -> dict[str, torch.Tensor]:
    tensors, _ = read_tensors(_done(work, number))
    return scalings[task.kind, task.fold].absorbed(tensors)


def _predict(
    tasks: Sequence[HeadSpec], learning: Learning, scalings: dict[Any, Scaling], work: Path,
    folds: np.ndarray, progress: Progress,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Scores of every head of the clips that its fold tests, NaN for the others."""
    ranks = learning.ranks
    ranks.wait()
    names = list(dict.fromkeys(task.name for task in tasks))
    predicted = {name: np.full(folds.shape[1], np.nan) for name in names}
    numbers = [n for n, task in enumerate(tasks) if (folds[task.fold] == TEST).any()]
    at_once = learning.settings.heads_per_pass or len(numbers)
    advance = progress("Measuring", len(numbers))
    for first in range(0, len(numbers), max(at_once, 1)):
        chosen = numbers[first : first + at_once]
        heads = {n: (tasks[n], read_tensors(_done(work, n))[0]) for n in chosen}
        for number, rows, scores in _scores(heads, learning, scalings, folds):
            predicted[tasks[number].name][rows] = scores
        advance(len(chosen))
    return predicted


def _scores(
    heads: dict[int, tuple[HeadSpec, dict[str, torch.Tensor]]], learning: Learning,
    scalings: dict[Any, Scaling], folds: np.ndarray,
) -> Iterable[tuple[int, np.ndarray, np.ndarray]]:  # fmt: skip
    from .heads import ExpertHead

    models = {}
    for number, (spec, tensors) in heads.items():
        head = ExpertHead(spec)
        head.load_state_dict(tensors)
        models[number] = head.to(learning.device).eval()
    tested = {n: np.flatnonzero(folds[spec.fold] == TEST) for n, (spec, _) in heads.items()}
    rows = np.unique(np.concatenate(list(tested.values())))
    for batch, states, good in learning.whole_batches(rows):
        for number, (spec, _) in heads.items():
            wanted = np.isin(batch, tested[number]) & good.numpy()
            if wanted.any():
                inputs = learning.inputs(states, spec, scalings)[torch.from_numpy(wanted)]
                with torch.no_grad():
                    yield number, batch[wanted], models[number](inputs).cpu().numpy()
