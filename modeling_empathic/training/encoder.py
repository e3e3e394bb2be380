"""Stage 1: a Whisper that writes emotion captions, for the sake of its encoder (paper 3.4).

The paper's other attempts, scores written as numbers and an ordinal head with a Wasserstein loss,
failed there and are not offered.
"""

import importlib.util
import json
import math
import os
import shutil
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..report.files import is_hub_id, locked_folder, read_json, write_json
from ..scoring.devices import is_out_of_memory
from ..scoring.loading import fingerprint
from .caption_data import Collator, readable, streaming, with_captions
from .encoder_settings import EncoderSettings, Progress
from .record import LARGEST_RECORD, RECORD, TrainingError, differences, origin, surroundings

POSITIONS_PER_S = 50  # of Whisper's encoder: two mel frames of 10 ms each
OUTCOME = "evaluation.json"
NO_EFFECT = ("workers", "log")  # on the weights: a resumed run may have others


def train_encoder(
    train: Any,
    evaluation: Any,
    output: str | os.PathLike[str],
    settings: EncoderSettings | None = None,
    *,
    source: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Fine-tunes Whisper to caption clips and writes it as the next stage's encoder.

    The same call again goes on after the last whole checkpoint and ends with the weights of a run
    that was never stopped; once that has ended it returns what was measured. Checkpoints lie beside
    `output` until that is whole.

    Args:
        train: Clips of `load_clips`: `audio`, 40 scores on 0-4, maybe captions; or a stream.
        evaluation: Others, for the caption loss and the levels read back.
        output: Folder to make: a Whisper checkpoint in safetensors, `training_args.json` and
            `evaluation.json`.
        settings: How to train.
        source: Where the clips came from, for the record.
        progress: Called with step, number of steps and the latest figures.

    Returns:
        What `evaluation.json` holds: `history`, `result` and `unreadable`.

    Raises:
        TrainingError: An output that exists or was begun with other arguments; no such model; a
            window Whisper cannot hear; out of memory; a loss that is not finite.
        DataError: Clips that cannot be learned from.
    """
    settings = settings or EncoderSettings()
    output = Path(output).absolute()
    work = output.with_name(f".{output.name}.training")
    _check(settings, train, output)
    first = int(os.environ.get("RANK", "0")) == 0  # of the processes of `accelerate launch`
    ended = output.exists()
    with ExitStack() as stack:
        if not ended:
            work.mkdir(parents=True, exist_ok=True)
            if first:
                stack.enter_context(locked_folder(work))
        model, extractor, tokenizer = _whisper(settings)
        limit = model.config.max_target_positions - 1

        def tokens(caption: str) -> list[int]:
            ids = tokenizer(f" {caption}", add_special_tokens=False)["input_ids"]
            return [*ids[: limit - 1], model.config.eos_token_id]

        named: dict[str, Any] = {"seed": settings.seed, "caption_column": settings.caption_column}
        learned = with_captions(train, tokens, **named)
        heard = with_captions(evaluation, tokens, **named, most=settings.eval_clips)
        record = {
            "stage": "encoder",
            "arguments": asdict(settings) | {"model": origin(settings.model)["name"]},
            "model": _identity(settings, model),
            "data": {"source": source, "train": learned.facts, "evaluation": heard.facts},
            "starts": [],
        }
        if ended:
            _refuse_others(_read(output / RECORD), record, "name another output")
            if first:  # what a kill left when all was in place
                shutil.rmtree(work, ignore_errors=True)
            return _read(output / OUTCOME)
        heard = readable(heard, work / "unreadable.jsonl")
        last = _last_checkpoint(work)
        if first:
            _keep_record(work / RECORD, record, last)
        from .caption_trainer import make_trainer  # transformers' Trainer takes a second

        collator = Collator(extractor, work / "unreadable.jsonl")
        trainer = make_trainer(
            model, tokenizer, learned, heard, collator, work, settings, progress, not last
        )
        result = _run(trainer, last, settings)
        if first:
            history = [entry for entry in trainer.state.log_history if "train_runtime" not in entry]
            unreadable = _lines(work / "unreadable.jsonl")
            outcome = {"history": history, "result": result, "unreadable": unreadable}
            _finish(work, output, (model, extractor, tokenizer), outcome)
            return outcome
    return {"history": [], "result": result, "unreadable": []}


def _check(settings: EncoderSettings, train: Any, output: Path) -> None:
    if output.exists() and not (output / OUTCOME).is_file():
        raise TrainingError(f"output {output} exists already; name a folder that does not")
    if importlib.util.find_spec("accelerate") is None:
        raise TrainingError('training needs accelerate: pip install "emonet-voice[train]"')
    if settings.log not in (None, "trackio"):
        raise TrainingError(f"log={settings.log!r}; valid: 'trackio' or None")
    if settings.log and importlib.util.find_spec("trackio") is None:
        raise TrainingError("log='trackio' needs trackio: pip install trackio")
    if settings.device not in ("auto", "cpu"):
        raise TrainingError(f"device={settings.device!r}; valid: 'auto', 'cpu'")
    if streaming(train) and settings.steps is None:
        raise TrainingError("steps is missing: nobody knows how long an epoch of a stream is")
    for name in ("batch_size", "accumulate", "save_steps", "eval_clips", "learning_rate"):
        if not 0 < getattr(settings, name) < math.inf:
            raise TrainingError(f"{name}={getattr(settings, name)} must be above 0, and finite")
    length = "epochs" if settings.steps is None else "steps"
    if not 0 < getattr(settings, length) < math.inf:
        raise TrainingError(f"{length}={getattr(settings, length)} must be above 0, and finite")


def _whisper(settings: EncoderSettings) -> tuple[Any, Any, Any]:
    """Model, feature extractor and tokenizer, cut to the window."""
    import torch
    from torch import nn
    from transformers import (
        AutoTokenizer,
        GenerationConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    name = settings.model
    hub: dict[str, Any] = {"revision": settings.revision} if settings.revision else {}
    if not Path(name).is_dir() and not is_hub_id(name):
        raise TrainingError(f"model {name}: no such folder, and not a Hub id (owner/name)")
    try:
        # Stored halves become float32: small updates would vanish in them.
        model = WhisperForConditionalGeneration.from_pretrained(name, dtype=torch.float32, **hub)
        tokenizer = AutoTokenizer.from_pretrained(name, **hub)
        longest = model.config.max_source_positions // POSITIONS_PER_S
        if not 1 <= settings.window_s <= longest:
            raise TrainingError(f"window_s={settings.window_s}; {name} hears 1 to {longest} s")
        there = model.config.encoder_layers
        if settings.layers is not None and not 1 <= settings.layers <= there:
            raise TrainingError(f"layers={settings.layers}; the encoder of {name} has {there}")
        extractor = WhisperFeatureExtractor.from_pretrained(
            name, chunk_length=settings.window_s, **hub
        )
    except (OSError, ValueError) as error:
        if isinstance(error, TrainingError):
            raise
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"model {name} is no whole Whisper checkpoint: {reason}") from error
    encoder, positions = model.model.encoder, settings.window_s * POSITIONS_PER_S
    # The positions are sinusoids that no training moves: the first ones stay what they are.
    kept = encoder.embed_positions.weight[:positions].clone()
    encoder.embed_positions = nn.Embedding.from_pretrained(kept, freeze=True)
    encoder.max_source_positions = model.config.max_source_positions = positions
    if settings.layers is not None:
        del encoder.layers[settings.layers :]
        model.config.encoder_layers = model.config.num_hidden_layers = settings.layers
    model.config.apply_spec_augment = settings.spec_augment
    model.config.mask_feature_prob = model.config.mask_feature_prob or 0.05
    config = model.config
    # Captions start right after the start token: no language, task or time stamps to choose.
    model.generation_config = GenerationConfig(
        decoder_start_token_id=config.decoder_start_token_id,
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        max_length=config.max_target_positions,
        begin_suppress_tokens=sorted({config.pad_token_id, config.eos_token_id}),  # never empty
    )
    return model, extractor, tokenizer


def _identity(settings: EncoderSettings, model: Any) -> dict[str, Any]:
    folder = Path(settings.model)
    digest = fingerprint(folder).removeprefix("sha256:") if folder.is_dir() else None
    return {"commit": getattr(model.config, "_commit_hash", None), "sha256": digest}


def _last_checkpoint(work: Path) -> Path | None:
    """The last whole checkpoint; one that a kill cut short lacks the file that is written last."""
    whole = [path.parent for path in work.glob("checkpoint-*/whole")]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def _keep_record(path: Path, record: dict[str, Any], last: Path | None) -> None:
    """Writes what shapes the run, or compares it with what shaped the run that goes on."""
    record = json.loads(json.dumps(record))
    if path.is_file() and last is not None:
        begun = _read(path)
        _refuse_others(
            begun, record, f"name another output, or remove {path.parent.name} beside it"
        )
        record["starts"] = begun["starts"]
    step = int(last.name.split("-")[1]) if last else 0
    record["starts"].append({"step": step, **surroundings()})
    write_json(path, record)


def _refuse_others(begun: dict[str, Any], record: dict[str, Any], way_out: str) -> None:
    """Raises where a run was begun with other arguments, or nobody can tell."""
    parts = ("arguments", "model", "data")
    if not all(isinstance(begun.get(part), dict) for part in parts) or "starts" not in begun:
        raise TrainingError(f"{RECORD} is no record of a run; {way_out}")
    new = json.loads(json.dumps({part: record[part] for part in parts}))
    for name in NO_EFFECT:
        del new["arguments"][name]
    if other := differences(begun, new):
        raise TrainingError(f"this run was begun with other {other}; {way_out}")


def _read(file: Path) -> dict[str, Any]:
    return read_json(file, LARGEST_RECORD)


def _run(trainer: Any, last: Path | None, settings: EncoderSettings) -> dict[str, Any]:
    """Trains and evaluates; what a user can put right becomes one line."""
    try:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        return dict(trainer.result())
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise _out_of_memory(settings) from error


def _out_of_memory(settings: EncoderSettings) -> TrainingError:
    more = "" if settings.gradient_checkpointing else ", or gradient_checkpointing"
    return TrainingError(
        f"out of memory with batch_size={settings.batch_size}: choose a smaller one and a larger "
        f"accumulate={settings.accumulate}{more}"
    )


def _finish(work: Path, output: Path, parts: tuple[Any, ...], outcome: dict[str, Any]) -> None:
    """The whole folder under its name in one step, then the checkpoints go."""
    partial = work / "result"
    shutil.rmtree(partial, ignore_errors=True)
    parts[0].config.apply_spec_augment = False  # of training only
    for part in parts:
        part.save_pretrained(partial)
    write_json(partial / OUTCOME, outcome)
    shutil.copyfile(work / RECORD, partial / RECORD)
    partial.rename(output)
    shutil.rmtree(work, ignore_errors=True)  # whoever finds it ended may be at it, too


def _lines(path: Path) -> list[str]:
    """Each line once: a clip is met again in every epoch."""
    text = path.read_text("utf-8") if path.is_file() else ""
    return sorted({json.loads(line)["error"] for line in text.splitlines()})
