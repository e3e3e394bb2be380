"""What a classifier reaches that is taught the corpus itself, on encoder states or acoustics.

The encoder's states are averaged over the frames that hold sound (20 ms each; Whisper pads to
30 s), standardised, and classified by multinomial logistic regression with scikit-learn's default
penalty (C = 1), not tuned. Two protocols: speaker-independent folds, and the paper's random 80/20
split, in which the speakers (and in EmoDB and RAVDESS the sentences) of the test are also in the
training; it is repeated, since one such split of 535 clips moves by several percent.
"""

import math
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.generalize.clips import CorpusClip
from modeling_empathic.report.files import replacing, sha256

N_RANDOM = 10
TEST_SHARE = 0.2
FRAMES_A_SECOND = 50
_WORKERS = 2  # that decode while the encoder runs
_CLIPS = ".clip_ids"

Splits = Sequence[tuple[np.ndarray, np.ndarray]]


class Answers(NamedTuple):
    """Answers on clips that the classifier was not taught, of all splits together.

    Attributes:
        rows: `(answers,)`, which clip; one that is in several tests comes several times.
        said: `(answers,)`, the number of the class.
        top1: Accuracy in each split.
    """

    rows: np.ndarray
    said: np.ndarray
    top1: list[float]


def fold_splits(folds: ArrayLike) -> Splits:
    """Each fold is tested once, by a classifier that is taught the others.

    Example:
        >>> [(train.tolist(), test.tolist()) for train, test in fold_splits([0, 1, 1])]
        [([1, 2], [0]), ([0], [1, 2])]
    """
    numbers = np.asarray(folds)
    return [
        (np.flatnonzero(numbers != fold), np.flatnonzero(numbers == fold))
        for fold in np.unique(numbers)
    ]


def random_splits(n: int, seed: int = 42) -> Splits:
    """The paper's 80/20, ten times: clips at random, whoever speaks them.

    Example:
        >>> [len(rows) for rows in random_splits(535)[0]]
        [428, 107]
    """
    rng = np.random.default_rng(seed)
    n_test = round(TEST_SHARE * n)
    orders = [rng.permutation(n) for _ in range(N_RANDOM)]
    return [(np.sort(order[n_test:]), np.sort(order[:n_test])) for order in orders]


def classify(
    features: np.ndarray,
    truth: np.ndarray,
    splits: Splits,
    advance: Callable[[], None] = lambda: None,
) -> Answers:
    """Teaches and tests a logistic regression on every split.

    Missing features take the median of the training clips.

    Args:
        features: `(clips, features)`, NaN where one is undefined.
        truth: `(clips,)`, the number of each clip's class.
        splits: Training and test rows.
        advance: Called after each split.

    Raises:
        EvaluationError: A split whose training has fewer than two classes, or that tests nothing.

    Example:
        >>> x = np.array([[0.0], [0.1], [5.0], [5.1]])
        >>> classify(x, np.array([0, 0, 1, 1]), fold_splits([0, 1, 0, 1])).said.tolist()
        [0, 1, 0, 1]
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, said, top1 = [], [], []
    for train, test in splits:
        if not len(test) or len(np.unique(truth[train])) < 2:
            raise EvaluationError(
                f"a split of {len(train)} training and {len(test)} test clips cannot be learnt: "
                "two classes to learn and a clip to test are needed (use more of the corpus)"
            )
        model = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(max_iter=5000),
        )
        answers = model.fit(features[train], truth[train]).predict(features[test])
        rows.append(test)
        said.append(answers)
        top1.append(float((answers == truth[test]).mean()))
        advance()
    return Answers(np.concatenate(rows), np.concatenate(said), top1)


def encoder_states(
    paths: Sequence[str],
    encoder_folder: str | Path,
    cache: Path | None = None,
    advance: Callable[[], None] = lambda: None,
    device: str = "auto",
) -> dict[str, np.ndarray]:
    """States of every clip after each layer, averaged over the frames that hold sound.

    Args:
        paths: Audio files.
        encoder_folder: A Whisper checkpoint with its `preprocessor_config.json`.
        cache: An `.npz` file to read from and to write to, also when stopped half way. States
            are kept under the encoder's digest, so that one file serves several encoders.
        advance: Called after each clip.
        device: As `emonet-voice score` takes it; OpenVINO's place is the CPU here.

    Returns:
        By path `(layers + 1, d_model)`: after each layer, the last of them as the encoder gives it
        out, after its final norm; first the input of the first layer. Clips that cannot be decoded
        are absent.

    Raises:
        EvaluationError: No Whisper checkpoint, or a cache that is none.
        ScoringError: A device that is not there.
    """
    from modeling_empathic.scoring.loading import fingerprint

    folder = Path(encoder_folder)
    for name in ("config.json", "preprocessor_config.json"):
        if not (folder / name).is_file():
            raise EvaluationError(f"{folder}: a Whisper checkpoint is needed, there is no {name}")
    revision = fingerprint(folder)
    kept = _read_cache(cache)
    known = kept.setdefault(revision, {})
    ids = {path: sha256(path) for path in paths}
    missing = [path for path in paths if ids[path] not in known]
    n_known = len(known)
    for _ in range(len(paths) - len(missing)):
        advance()
    try:
        with closing(_encode(missing, folder, device)) as encoded:
            for path, states in encoded:
                if states is not None:
                    known[ids[path]] = states
                advance()
    finally:
        if cache is not None and len(known) > n_known:
            _write_cache(cache, kept)
    return {path: known[ids[path]] for path in paths if ids[path] in known}


def _encode(
    paths: Sequence[str], folder: Path, device: str
) -> Generator[tuple[str, np.ndarray | None]]:
    if not paths:
        return
    import torch
    from transformers import WhisperFeatureExtractor, WhisperModel

    from modeling_empathic.scoring.clips import prefetch
    from modeling_empathic.scoring.devices import choose_device
    from modeling_empathic.scoring.prepared import prepare_clip

    try:
        # WhisperEncoder.from_pretrained would not find one weight, and go on with random ones.
        loaded: Any = WhisperModel.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True
        )
        whisper, loading = loaded
        extractor = WhisperFeatureExtractor.from_pretrained(folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise EvaluationError(f"cannot load the encoder of {folder}: {error}") from None
    absent = [name for name in loading["missing_keys"] if name.startswith("encoder.")]
    if absent:
        raise EvaluationError(f"{folder} lacks {len(absent)} weights of the encoder: {min(absent)}")
    encoder = whisper.encoder.eval().to(choose_device("cpu" if device == "openvino" else device))
    prepare = partial(prepare_clip, feature_extractor=extractor, heads=(), done={})
    with closing(prefetch(prepare, paths, workers=_WORKERS, ahead=8)) as clips:
        for path, clip in zip(paths, clips, strict=True):
            total, frames = np.zeros(()), 0
            for row, features in clip.windows:
                n = math.ceil((row["end_s"] - row["start_s"]) * FRAMES_A_SECOND)
                with torch.inference_mode():
                    inputs = torch.from_numpy(features)[None].to(encoder.device)
                    states = encoder(inputs, output_hidden_states=True)
                    layers = torch.cat([*states.hidden_states[:-1], states.last_hidden_state])
                total = total + layers[:, :n].double().sum(1).cpu().numpy()
                frames += n
            whole = clip.rows[0]["error"] is None  # as is known once all windows are through
            yield path, (total / frames).astype(np.float32) if whole else None


def _read_cache(cache: Path | None) -> dict[str, dict[str, np.ndarray]]:
    """By encoder, states by the SHA-256 of their clips."""
    if cache is None or not cache.exists():
        return {}
    try:
        with np.load(cache, allow_pickle=False) as file:
            if "encoder" in file.files:  # of version 0.2: one encoder a file
                states = dict(zip(file["clip_ids"].tolist(), file["states"], strict=True))
                return {str(file["encoder"]): states}
            return {
                name.removesuffix(_CLIPS): dict(
                    zip(file[name].tolist(), file[name.removesuffix(_CLIPS)], strict=True)
                )
                for name in file.files
                if name.endswith(_CLIPS)
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise EvaluationError(f"{cache} is no cache of encoder states: {error}") from None


def _write_cache(cache: Path, kept: dict[str, dict[str, np.ndarray]]) -> None:
    arrays: dict[str, Any] = {}
    for encoder, states in kept.items():
        if states:
            arrays[encoder + _CLIPS] = np.array(list(states))
            arrays[encoder] = np.stack(list(states.values()))
    with replacing(cache) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def state_features(
    clips: Sequence[CorpusClip],
    encoder_folder: str | Path,
    cache: Path | None,
    advance: Callable[[], None],
    device: str = "auto",
) -> dict[str, np.ndarray]:
    """The last layer's states, which heads read, and all layers' side by side.

    Returns:
        By name `(clips, features)`, NaN where a clip cannot be decoded.
    """
    by_path = encoder_states([clip.path for clip in clips], encoder_folder, cache, advance, device)
    if not by_path:
        raise EvaluationError("not one clip could be decoded")
    absent = np.full_like(next(iter(by_path.values())), np.nan)
    states = np.stack([by_path.get(clip.path, absent) for clip in clips])
    name = Path(encoder_folder).resolve().name
    return {
        f"{name}, last layer": states[:, -1],
        f"{name}, all layers": states.reshape(len(clips), -1),
    }


def acoustic_features(
    clips: Sequence[CorpusClip], advance: Callable[[], None]
) -> dict[str, np.ndarray]:
    """`(clips, 22)`: the columns that the corpus was built with, or measured now."""
    from modeling_empathic.acoustics import FEATURES
    from modeling_empathic.acoustics_files import acoustics_files

    table = np.full((len(clips), len(FEATURES)), np.nan)
    new = [clip.path for clip in clips if not clip.acoustics]
    measured = acoustics_files(new) if new else iter(())
    for row, clip in zip(table, clips, strict=True):
        features = clip.acoustics or next(measured).features or {}
        row[:] = [np.nan if (v := features.get(name)) is None else v for name in FEATURES]
        advance()
    return {"acoustic features": table}
