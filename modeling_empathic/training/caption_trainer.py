"""transformers' Seq2SeqTrainer, set up for captions and for runs that are killed and resumed."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_pt_utils import DistributedLengthGroupedSampler

from .caption_data import IGNORED, SHUFFLE_BUFFER, Captioned, Collator, streaming
from .encoder_settings import EncoderSettings, Progress
from .read_back import read_back
from .record import TrainingError

MORE_TOKENS = 16  # a generated caption may be longer than the longest true one by these


class LossError(TrainingError):
    """A loss that is not finite."""


class CaptionTrainer(Seq2SeqTrainer):
    """Stops at a loss that is not finite; orders clips by seed and epoch alone.

    Attributes:
        details: What the last evaluation found beside plain figures, which is all that logs take.
    """

    details: dict[str, Any] | None = None

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        """As the parent's; of a batch in which no clip can be read there is nothing to learn."""
        inputs = arguments[1] if len(arguments) > 1 else named["inputs"]
        if (inputs["labels"] == IGNORED).all():
            return 0.0 * arguments[0](**inputs).logits.sum()
        result = super().compute_loss(*arguments, **named)
        loss = result[0] if isinstance(result, tuple) else result
        if not torch.isfinite(loss):
            raise LossError(
                f"the loss is {loss.item()} after {self.state.global_step} steps: lower "
                f"learning_rate={self.args.learning_rate:g}"
                + (", or compute without bf16" if self.args.bf16 else "")
            )
        return result

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        clips: Any = self.train_dataset if train_dataset is None else train_dataset
        if streaming(clips):
            return None
        # The parent's sampler draws from the global generator, which a resumed run finds elsewhere.
        return DistributedLengthGroupedSampler(
            self.args.train_batch_size * self.args.gradient_accumulation_steps,
            dataset=clips,
            num_replicas=1,  # accelerate deals the batches out
            rank=0,
            seed=self.args.seed,
            lengths=list(clips["length"]),
        )

    def result(self) -> dict[str, Any]:
        """The last evaluation, without the prefix of its keys; done now if it is not."""
        done = [entry for entry in self.state.log_history if "eval_loss" in entry]
        fresh = self.details and done and done[-1]["step"] == self.state.global_step
        figures = done[-1] if fresh else self.evaluate()
        plain = {key.removeprefix("eval_"): value for key, value in figures.items()}
        return {**plain, **(self.details or {})}


class _Steps(TrainerCallback):
    """Tells the progress, and says when a checkpoint is whole."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.figures = progress, dict[str, float]()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        for key in ("loss", "eval_loss", "eval_spearman"):
            if key in (logs or {}):
                self.figures[key] = logs[key]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.progress is not None:
            self.progress(state.global_step, state.max_steps, self.figures)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            Path(args.output_dir, f"checkpoint-{state.global_step}", "whole").touch()


def make_trainer(
    model: Any,
    tokenizer: Any,
    train: Captioned,
    evaluation: Captioned,
    collator: Collator,
    work: Path,
    settings: EncoderSettings,
    progress: Progress | None,
    fresh: bool,
) -> CaptionTrainer:
    """The trainer of stage 1, its checkpoints in `work`; a `fresh` run has none yet."""
    longest = max(evaluation.clips["length"])
    bf16 = torch.cuda.is_available() if settings.bf16 is None else settings.bf16
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(work),
        num_train_epochs=settings.epochs,
        max_steps=settings.steps or -1,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulate,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup,  # below 1 it is a share
        bf16=bf16 and (settings.device == "auto" or settings.bf16 is True),
        use_cpu=settings.device == "cpu",
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        eval_strategy="steps",
        eval_steps=settings.save_steps,
        eval_on_start=fresh,
        save_steps=settings.save_steps,
        save_total_limit=2,  # with one, the last goes before the next is known to be whole
        logging_steps=min(10, settings.save_steps),
        logging_nan_inf_filter=False,
        predict_with_generate=True,
        generation_max_length=min(longest + MORE_TOKENS, model.config.max_target_positions),
        remove_unused_columns=False,
        dataloader_num_workers=settings.workers,
        seed=settings.seed,
        report_to=[settings.log] if settings.log else [],
        project="emonet-voice",
        trackio_space_id=None,  # a log of this machine: nothing is sent
        trackio_static_space_id=False,
        label_names=["labels"],
    )

    def figures(predicted: Any) -> dict[str, float]:
        ids = np.where(predicted.predictions < 0, tokenizer.pad_token_id, predicted.predictions)
        captions = tokenizer.batch_decode(ids, skip_special_tokens=True)
        assert evaluation.scores is not None
        result = read_back(captions, evaluation.scores)
        trainer.details = {"per_emotion": result.pop("per_emotion"), "captions": captions[:8]}
        return result

    clips = train.clips
    if streaming(clips):
        clips = clips.shuffle(seed=settings.seed, buffer_size=SHUFFLE_BUFFER)
    trainer = CaptionTrainer(
        model,
        arguments,
        data_collator=collator,
        train_dataset=clips,
        eval_dataset=evaluation.clips,
        compute_metrics=figures,
        callbacks=[_Steps(progress)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer
