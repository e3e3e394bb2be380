"""The one front end that a model has: Whisper's log-mel features, as wide and long as it reads.

Everything about it follows from the model's configuration. A `preprocessor_config.json` that says
something else would give other features and so wrong scores without a word: it is an error.
"""

from typing import TYPE_CHECKING, Any

from .heads_empathic import HeadLayout
from .mixing_empathic import SAMPLE_RATE
from .taxonomy import UserError

if TYPE_CHECKING:
    from transformers import WhisperFeatureExtractor

HOP, N_FFT = 160, 400  # samples: 10 ms and 25 ms


class FrontEndError(UserError):
    """A feature extractor that is not the model's."""


def front_end(config: HeadLayout) -> "WhisperFeatureExtractor":
    """The feature extractor of a model.

    Raises:
        FrontEndError: The encoder reads no whole number of seconds.

    Example:
        >>> from modeling_empathic import EmpathicInsightConfig
        >>> front_end(EmpathicInsightConfig(heads=["Anger"])).n_samples
        480000
    """
    from transformers import WhisperFeatureExtractor

    seconds = _settings(config)["chunk_length"]
    if seconds != int(seconds):
        raise FrontEndError(
            f"max_source_positions {config.encoder.max_source_positions} is {seconds} s of audio; "
            "Whisper's features come in whole seconds"
        )
    return WhisperFeatureExtractor(**{**_settings(config), "chunk_length": int(seconds)})


def check_front_end(settings: dict[str, Any], config: HeadLayout) -> None:
    """Refuses a `preprocessor_config.json` (or an extractor's `to_dict`) of another front end.

    Args:
        settings: What it says; what it does not say is Whisper's default.
        config: Of the model.

    Raises:
        FrontEndError: It names the first setting that differs.
    """
    kind = settings.get("feature_extractor_type", "WhisperFeatureExtractor")
    if kind != "WhisperFeatureExtractor":
        raise FrontEndError(
            f"preprocessor_config.json: {kind!r:.80} is not WhisperFeatureExtractor, which this "
            "model reads"
        )
    for key, expected in _settings(config).items():
        found = settings.get(key, _DEFAULTS[key])
        if isinstance(found, bool) or found != expected:
            raise FrontEndError(
                f"preprocessor_config.json: {key} is {found!r:.80}, this model was made for "
                f"{expected!r}"
            )


_DEFAULTS = {
    "feature_size": 80,
    "sampling_rate": SAMPLE_RATE,
    "hop_length": HOP,
    "chunk_length": 30,
    "n_fft": N_FFT,
    "padding_value": 0.0,
    "padding_side": "right",
    "dither": 0.0,
}


def _settings(config: HeadLayout) -> dict[str, Any]:
    bins = config.encoder.num_mel_bins
    return {**_DEFAULTS, "feature_size": bins, "chunk_length": window_s(config)}


def window_s(config: HeadLayout) -> float:
    """Seconds that the encoder reads at once."""
    seconds: float = config.encoder.max_source_positions * 2 * HOP / SAMPLE_RATE
    return seconds
