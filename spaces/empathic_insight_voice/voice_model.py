"""The model behind the page: which there are, loading, scores of windows, and what moments add."""

import json
import math
import os
import threading
from collections.abc import Generator
from typing import Any, NamedTuple

try:  # before torch, as ZeroGPU asks
    from spaces import GPU
except ImportError:

    def _reserve_nothing(duration: Any) -> Any:
        """Elsewhere than on ZeroGPU nothing has to be reserved."""
        return lambda function: function

    GPU = _reserve_nothing


import numpy as np
import torch
from emonet.audio import SAMPLE_RATE, windows
from emonet.norms import Norm, norm
from emonet.reference_scores import Reference, model_file, read_reference
from emonet.taxonomy import UserError
from transformers import AutoConfig, AutoModel, WhisperFeatureExtractor

REVISION = "v0.1.0"
"""The tag of the model repositories whose code and weights this Space trusts."""
WINDOW_S = 30.0  # what the encoder reads; shorter sound is padded to it, as in training
FRAME_S = 0.02  # of the encoder's states
_FOLDER = os.environ.get("EMONET_MODEL_FOLDER")
_CUDA = torch.cuda.is_available()
_HUB = {size: f"laion/Empathic-Insight-Voice-{size}" for size in ("Nano", "Small", "Large")}
SOURCES: dict[str, str] = (
    {os.path.basename(os.path.normpath(_FOLDER)): _FOLDER}  # noqa: PTH119 (a name, not a path)
    if _FOLDER
    else _HUB
    if _CUDA
    else {"Nano": _HUB["Nano"]}
)
"""Models on offer, by name: the folder in `EMONET_MODEL_FOLDER`, or by what the machine can do."""
DEFAULT = "Small" if "Small" in SOURCES else next(iter(SOURCES))
BATCH = 32 if _CUDA else 4
"""Windows between two moments at which somebody can stop: half a second of a CPU."""
_PUBLIC = ("Small", "Large")
"""The models whose heads the public statistics are of."""
_KEPT = 2  # models in memory: the default and one more


class VoiceError(UserError):
    """A wish that the models here cannot fulfil."""


class Voice(NamedTuple):
    """A model that is ready.

    Attributes:
        name: As in `SOURCES`.
        revision: Commit on the Hub, or the folder's name.
        model: In evaluation mode, on its device.
        extractor: The mel features it reads.
        emotions: Names of its heads in the order of the scores.
        reference: Its scores of reference clips, if it has a file of them.
        norm: What is usual of the public heads, where there is no reference.
        measured: What its training measured (`training.json`), empty if nothing.
    """

    name: str
    revision: str
    model: Any
    extractor: Any
    emotions: tuple[str, ...]
    reference: Reference | None
    norm: Norm | None
    measured: dict[str, Any]


_LOADED: dict[tuple[str, tuple[str, ...]], Voice] = {}
_LOCK = threading.Lock()


def emotions_of(name: str) -> tuple[str, ...]:
    """Names of a model's emotion heads; reads its configuration only.

    Raises:
        VoiceError: No model of that name.
    """
    if name not in SOURCES:
        raise VoiceError(f"no model {name!r} here; choose {', '.join(SOURCES)}")
    return tuple(head["name"] for head in _config(name).heads if head["group"] == "emotion")


def _config(name: str) -> Any:
    return AutoConfig.from_pretrained(SOURCES[name], trust_remote_code=True, **_hub(name))


def load(name: str, heads: tuple[str, ...] = ()) -> Voice:
    """A model, read only once; only `heads` of it where given (any order, all if empty).

    Raises:
        VoiceError: No model or no head of that name.
        OSError: The model cannot be fetched or read.
    """
    with _LOCK:
        whole = _LOADED.get((name, ()))
        if whole is not None:
            return whole
        key = (name, tuple(sorted(heads)))
        if key not in _LOADED:
            voice = _read(name, heads)
            while len(_LOADED) >= _KEPT:
                del _LOADED[next(k for k in _LOADED if k != (DEFAULT, ()))]
            _LOADED[key] = voice
        return _LOADED[key]


def _hub(name: str) -> dict[str, str]:
    return {} if _FOLDER else {"revision": REVISION, "code_revision": REVISION}


def _read(name: str, heads: tuple[str, ...]) -> Voice:
    has = emotions_of(name)
    unknown = [head for head in heads if head not in has]
    if unknown:
        raise VoiceError(f"{name} has no head {unknown[0]!r}; it has {', '.join(has)}")
    emotions = tuple(emotion for emotion in has if not heads or emotion in heads)
    # A GPU takes the type that is stored (half precision); CPUs are fast in float32 only, which
    # the encoder of a mixed model has: its heads would take twice the memory, and gain nothing.
    dtype = {} if _CUDA or _config(name).is_mixed else {"dtype": torch.float32}
    model = AutoModel.from_pretrained(
        SOURCES[name], trust_remote_code=True, heads=list(emotions), **_hub(name), **dtype
    )
    model = model.eval().requires_grad_(False).to("cuda" if _CUDA else "cpu")
    revision = None if _FOLDER else REVISION
    extractor = WhisperFeatureExtractor.from_pretrained(SOURCES[name], revision=revision or "main")
    reference = read_reference(SOURCES[name], revision)
    commit = model.commit or "local folder"
    measured = _measured(SOURCES[name], revision)
    usual = norm("clips") if reference is None and name in _PUBLIC else None
    return Voice(name, commit, model, extractor, emotions, reference, usual, measured)


def _measured(source: str, revision: str | None) -> dict[str, Any]:
    """What a model's training says that it measured; nothing where no file says it."""
    path = model_file(source, "training.json", revision)
    try:
        measured = json.loads(path.read_text("utf-8"))["measured"] if path else {}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}  # the page goes without
    return measured if isinstance(measured, dict) else {}


def _seconds(name: str, heads: tuple[str, ...], sounds: list[np.ndarray]) -> int:
    """What to reserve of a GPU for `score_sounds`: 20 ms a window and spare."""
    return min(120, 15 + math.ceil(0.02 * len(sounds)))


@GPU(duration=_seconds)  # type: ignore[untyped-decorator]
def score_sounds(name: str, heads: tuple[str, ...], sounds: list[np.ndarray]) -> np.ndarray:
    """Scores of a batch of sounds, each padded to 30 s: `(sounds, emotions)` float32."""
    voice = load(name, heads)
    with torch.inference_mode():
        logits = voice.model(input_features=_features(voice, sounds)).logits
    scores: np.ndarray = logits.float().cpu().numpy()
    return scores


def score_windows(
    name: str, heads: tuple[str, ...], samples: np.ndarray, cuts: list[slice]
) -> Generator[float, None, np.ndarray]:
    """Scores of parts of a recording, each padded to 30 s, batch by batch.

    Args:
        name: Of the model.
        heads: As for `load`.
        samples: `(samples,)` at 16 kHz.
        cuts: The parts.

    Yields:
        The share that is done.

    Returns:
        `(parts, emotions)` float32, on the heads' own scale, in the order of `Voice.emotions`.
    """
    rows = []
    for start in range(0, len(cuts), BATCH):
        rows.append(
            score_sounds(name, heads, [samples[cut] for cut in cuts[start : start + BATCH]])
        )
        yield min(1.0, (start + BATCH) / len(cuts))
    return np.concatenate(rows)


@GPU(duration=20)  # type: ignore[untyped-decorator]
def _explained(
    name: str, heads: tuple[str, ...], sound: np.ndarray, emotion: str
) -> tuple[np.ndarray, float]:
    """What every 20 ms of one window of 30 s adds to its score, and the score."""
    voice = load(name, heads)
    column = voice.emotions.index(emotion)
    with torch.no_grad():
        features = _features(voice, [sound]).to(voice.model.dtype)
        states = voice.model.encoder(features).last_hidden_state
    states.requires_grad_()
    score = voice.model(encoder_states=states).logits[0, column]
    (gradient,) = torch.autograd.grad(score, states)
    parts = (gradient.float() * states.detach().float().nan_to_num()).sum(-1)[0].cpu().numpy()
    return parts, float(score.detach())


def contributions(
    name: str, heads: tuple[str, ...], samples: np.ndarray, emotion: str
) -> Generator[float, None, tuple[np.ndarray, float]]:
    """What every 20 ms of a recording adds to an emotion's score, window by window.

    Gradient x input at the encoder's states. A head's first layer is linear and what follows is
    piecewise linear, so for a full head this is exactly the part of the score that passes the
    first layer through that step. The statistics of pooled heads (mean, minimum, maximum,
    standard deviation) grow in proportion to their input, so there too the parts add up to all but
    the biases (Euler's theorem). Each 30 s window is explained by itself, and its parts count as
    its score does in the recording's mean: by its length.

    Args:
        name: Of the model.
        heads: As for `load`.
        samples: `(samples,)` at 16 kHz.
        emotion: Head to explain.

    Yields:
        The share that is done.

    Returns:
        `(frames,)` parts of the recording's score, and the rest that no moment has (biases and the
        padding to 30 s): together they are the score.

    Raises:
        VoiceError: The model has no such head.
    """
    voice = load(name, heads)
    if emotion not in voice.emotions:
        raise VoiceError(f"no head {emotion!r} loaded; choose {', '.join(voice.emotions)}")
    cuts = windows(len(samples), WINDOW_S)
    n_samples = sum(cut.stop - cut.start for cut in cuts)
    curves, rests = [], []
    for cut in cuts:  # one at a time: the gradient of one window of a full head is enough memory
        sound = samples[cut]
        parts, score = _explained(name, heads, sound, emotion)
        n_frames = min(len(parts), math.ceil(len(sound) / SAMPLE_RATE / FRAME_S))
        curves.append(parts[:n_frames] * ((cut.stop - cut.start) / n_samples))
        rests.append(score - float(parts[:n_frames].sum()))
        yield len(curves) / len(cuts)
    return np.concatenate(curves), float(window_mean(rests, cuts))


def window_mean(values: np.ndarray | list[float], cuts: list[slice]) -> Any:
    """The mean over a recording's windows, each as heavy as it is long."""
    return np.average(values, axis=0, weights=[cut.stop - cut.start for cut in cuts])


def _features(voice: Voice, sounds: list[np.ndarray]) -> torch.Tensor:
    features = voice.extractor(sounds, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    mel: torch.Tensor = features.input_features.to(voice.model.device)
    return mel
