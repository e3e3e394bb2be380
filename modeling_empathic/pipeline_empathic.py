"""The `voice-emotion` pipeline: any audio in, sorted emotion names and scores out."""

from collections.abc import Iterator
from typing import Any

import torch
from transformers.pipelines.base import ChunkPipeline

from .audio import SAMPLE_RATE, load_audio, windows

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

    Returns:
        For each recording a list of `{"label", "score"}`, emotions first, then attributes, then
        quality heads (their scales differ, so they are not ranked together), each group from the
        highest score down. Scores are on each head's native scale, nominally 0 to 4 for
        emotions. With `long_audio="each"`: a list of `{"start_s", "end_s", "scores"}`.

    Raises:
        AudioError: A recording that cannot be decoded or holds nothing to score.

    Example:
        >>> from transformers import pipeline
        >>> import modeling_empathic
        >>> voice_emotion = pipeline("voice-emotion", model="path/to/model")  # doctest: +SKIP
        >>> voice_emotion("clip.wav", top_k=3)  # doctest: +SKIP
        [{'label': 'Anger', 'score': 3.1}, ...]
    """

    feature_extractor: Any
    _load_processor: Any = False
    _load_image_processor: Any = False
    _load_feature_extractor: Any = True
    _load_tokenizer: Any = False

    def _sanitize_parameters(
        self,
        top_k: int | None = None,
        long_audio: str | None = None,
        hop_s: float | None = None,
        **unknown: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if unknown:
            known = "top_k, long_audio, hop_s"
            raise TypeError(f"unknown parameters {sorted(unknown)}; known: {known}")
        if long_audio not in (None, *_LONG):
            raise ValueError(f"long_audio {long_audio!r} is not one of {', '.join(_LONG)}")
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {top_k}")
        # Only what was given: settings of the constructor hold where a call says nothing.
        preprocess: dict[str, Any] = {} if hop_s is None else {"hop_s": hop_s}
        postprocess: dict[str, Any] = {} if top_k is None else {"top_k": top_k}
        if long_audio is not None:
            preprocess["first_only"] = long_audio == "first"
            postprocess["each"] = long_audio == "each"
        return preprocess, {}, postprocess

    def preprocess(  # type: ignore[override]
        self, audio: Any, first_only: bool = False, hop_s: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """Log-mel features of each window of one recording."""
        samples = load_audio(audio)
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
                "is_last": number == len(slices),
            }

    def _forward(self, window: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]
        logits = self.model(input_features=window.pop("input_features")).logits
        return {"logits": logits, **window}

    def postprocess(  # type: ignore[override]
        self, outputs: list[dict[str, Any]], top_k: int | None = None, each: bool = False
    ) -> list[dict[str, Any]]:
        """Names and scores of one recording from the logits of its windows."""
        scores = torch.stack([output["logits"][0].float() for output in outputs])
        times = [(float(output["start_s"]), float(output["end_s"])) for output in outputs]
        if each:
            return [
                {"start_s": start, "end_s": end, "scores": self._ranked(row, top_k)}
                for (start, end), row in zip(times, scores, strict=True)
            ]
        lengths = torch.tensor([end - start for start, end in times])
        return self._ranked(lengths @ scores / lengths.sum(), top_k)

    def _ranked(self, scores: torch.Tensor, top_k: int | None) -> list[dict[str, Any]]:
        heads = self.model.config.heads
        rows = sorted(
            zip(heads, scores.tolist(), strict=True),
            key=lambda row: (_GROUP_ORDER.index(row[0]["group"]), -row[1]),
        )
        return [{"label": head["name"], "score": score} for head, score in rows[:top_k]]
