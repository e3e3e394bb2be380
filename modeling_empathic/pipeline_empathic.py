"""The `voice-emotion` pipeline: any audio in, sorted emotion names and scores out."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers.pipelines.base import ChunkPipeline

from .audio import SAMPLE_RATE, read_audio, windows
from .frontend_empathic import check_front_end
from .quality_empathic import judge
from .stacks_empathic import probabilities

_LONG = ("mean", "first", "each")
_GROUP_ORDER = ("emotion", "attribute", "quality")


class EmpathicInsightPipeline(ChunkPipeline):
    """Scores recordings with every head of an [`EmpathicInsightModel`].

    Call parameters:
        top_k: How many labels to return; all by default.
        long_audio: What to do with more than one window of 30 s: `"mean"` (default) averages
            the windows weighted by their length, `"first"` scores the first alone (what the
            public release does, silently), `"each"` returns every window with its times.
        hop_s: Seconds between window starts; by default one window's length.
        sampling_rate: Of bare arrays, in Hz. Without it they are taken to be at 16 kHz, with a
            warning; encoded audio and `{"array", "sampling_rate"}` know their own.

    It computes in the type that the weights are stored in, or in `dtype` of `pipeline(...)`;
    `emonet-voice score` takes float16 on CUDA and widens it on a CPU, which moves scores by about
    a thousandth. Give both the same `dtype` for the same scores.

    Returns:
        For each recording a list of `{"label", "score", "quality"}`, emotions first, then
        attributes, then quality heads (their scales differ, so they are not ranked together), each
        group from the highest score down. Scores are on each head's native scale, nominally 0 to 4
        for emotions; of a model with another `problem_type` than regression, probabilities.
        `quality` is what makes the recording's scores doubtful, by any of its windows
        (`"too short"`, `"clipped"`, `"not like speech"`, ...: `quality_empathic.JUDGEMENTS`), and
        `""` if nothing does; what is doubtful is warned about too. With `long_audio="each"`: a list
        of `{"start_s", "end_s", "quality", "scores"}`.

    Raises:
        AudioError: A recording that cannot be decoded or holds nothing to score.
        FrontEndError: A feature extractor that is not the model's.

    Example:
        >>> from transformers import pipeline
        >>> import modeling_empathic
        >>> voice_emotion = pipeline("voice-emotion", model="path/to/model")  # doctest: +SKIP
        >>> voice_emotion("clip.wav", top_k=3)  # doctest: +SKIP
        [{'label': 'Anger', 'score': 3.1, 'quality': ''}, ...]
    """

    feature_extractor: Any
    model: Any
    _load_processor: Any = False
    _load_image_processor: Any = False
    _load_feature_extractor: Any = True
    _load_tokenizer: Any = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_front_end(self.feature_extractor.to_dict(), self.model.config)

    def _sanitize_parameters(
        self,
        top_k: int | None = None,
        long_audio: str | None = None,
        hop_s: float | None = None,
        sampling_rate: float | None = None,
        **unknown: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if unknown:
            known = "top_k, long_audio, hop_s, sampling_rate"
            raise TypeError(f"unknown parameters {sorted(unknown)}; known: {known}")
        if long_audio not in (None, *_LONG):
            raise ValueError(f"long_audio {long_audio!r} is not one of {', '.join(_LONG)}")
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {top_k}")
        # Only what was given: settings of the constructor hold where a call says nothing.
        preprocess: dict[str, Any] = {} if hop_s is None else {"hop_s": hop_s}
        if sampling_rate is not None:
            preprocess["sampling_rate"] = sampling_rate
        postprocess: dict[str, Any] = {} if top_k is None else {"top_k": top_k}
        if long_audio is not None:
            preprocess["first_only"] = long_audio == "first"
            postprocess["each"] = long_audio == "each"
        return preprocess, {}, postprocess

    def preprocess(  # type: ignore[override]
        self,
        audio: Any,
        first_only: bool = False,
        hop_s: float | None = None,
        sampling_rate: float | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Log-mel features of each window of one recording."""
        samples, notes = read_audio(audio, _rate(audio, sampling_rate))
        window_s = self.feature_extractor.n_samples / SAMPLE_RATE
        slices = windows(len(samples), window_s=window_s, hop_s=hop_s)
        slices = slices[:1] if first_only else slices
        for number, window in enumerate(slices, start=1):
            features = self.feature_extractor(
                samples[window], sampling_rate=SAMPLE_RATE, return_tensors="pt"
            )
            yield {
                "input_features": features.input_features,
                "start_s": window.start / SAMPLE_RATE,
                "end_s": min(window.stop, len(samples)) / SAMPLE_RATE,
                "quality": judge(samples[window], notes),
                "is_last": number == len(slices),
            }

    def _forward(self, window: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]
        logits = self.model(input_features=window.pop("input_features")).logits
        return {"logits": logits, **window}

    def postprocess(  # type: ignore[override]
        self, outputs: list[dict[str, Any]], top_k: int | None = None, each: bool = False
    ) -> list[dict[str, Any]]:
        """Names and scores of one recording from the logits of its windows."""
        logits = torch.stack([output["logits"][0].float() for output in outputs])
        scores = probabilities(logits, self.model.config.problem_type)
        keys = ("start_s", "end_s", "quality")
        parts = [{key: output[key] for key in keys} for output in outputs]
        doubts = [word for part in parts for word in part["quality"].split(", ") if word]
        quality = ", ".join(dict.fromkeys(doubts))
        if quality:
            warnings.warn(f"the scores of a recording are doubtful: {quality}", stacklevel=2)
        if each:
            return [
                {**part, "scores": self._ranked(row, top_k)}
                for part, row in zip(parts, scores, strict=True)
            ]
        lengths = torch.tensor([part["end_s"] - part["start_s"] for part in parts])
        rows = self._ranked(lengths @ scores / lengths.sum(), top_k)
        return [{**row, "quality": quality} for row in rows]

    def _ranked(self, scores: torch.Tensor, top_k: int | None) -> list[dict[str, Any]]:
        heads = self.model.config.heads
        rows = sorted(
            zip(heads, scores.tolist(), strict=True),
            key=lambda row: (_GROUP_ORDER.index(row[0]["group"]), -row[1]),
        )
        return [{"label": head["name"], "score": score} for head, score in rows[:top_k]]


def _rate(audio: Any, given: float | None) -> float | None:
    """The rate to read `audio` at; only of a bare array it is not known."""
    if isinstance(audio, dict):
        bare = any(audio.get(key) is not None for key in ("array", "raw"))
        bare = bare and audio.get("sampling_rate") is None
    else:
        encoded = str | bytes | bytearray | memoryview | Path
        known = ("get_all_samples", "read")
        bare = not isinstance(audio, encoded) and not any(hasattr(audio, name) for name in known)
    if bare and given is None:
        warnings.warn(
            f"an array without its rate is taken to be at {SAMPLE_RATE} Hz; say sampling_rate=..., "
            'or give {"array": ..., "sampling_rate": ...}',
            stacklevel=2,
        )
    return given if bare else None
