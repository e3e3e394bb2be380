"""How unusual is a score? A model's own scores of reference clips, as a small file beside it.

Heads differ in base rate: one says 1.5 of nearly every clip, another never leaves 0.3. Compared
with the scores that the same head gives to reference clips, they can be ranked against each other.
`reference_scores.json` in a model's folder or repository has, for every head, the mean, the
standard deviation and 101 quantiles over those clips, and says which clips they were; no audio.
`examples/make_reference.py` makes one.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .taxonomy import UserError

FILE_NAME = "reference_scores.json"
N_QUANTILES = 101
MAX_BYTES = 10 * 2**20
_NO_REFERENCE = (
    *(ValueError, KeyError, TypeError, AttributeError),  # of JSON of another shape
    *(OverflowError, RecursionError),  # of numbers beyond float, and endless brackets
)
_ID_DIGITS = 16  # of a clip's SHA-256: enough to know a clip again


class ReferenceScoresError(UserError):
    """A reference that cannot be made or read, or that lacks a head."""


class HeadReference(NamedTuple):
    """What one head gives to the reference clips.

    Attributes:
        mean: On the head's native scale.
        sd: Standard deviation over the clips.
        quantiles: `(101,)`, the 0th to the 100th percentile.
    """

    mean: float
    sd: float
    quantiles: tuple[float, ...]


class Reference(NamedTuple):
    """A model's reference.

    Attributes:
        heads: By name.
        n_clips: How many clips it rests on.
        clips: A sentence that says what they are.
        model: The model that scored them.
        revision: Its commit, or the fingerprint of its folder.
        clip_ids: The first 16 hexadecimal digits of each clip's SHA-256, to know it again.
    """

    heads: dict[str, HeadReference]
    n_clips: int
    clips: str
    model: str
    revision: str
    clip_ids: tuple[str, ...] = ()


def make_reference(
    scores: Mapping[str, ArrayLike],
    *,
    clips: str,
    model: str,
    revision: str,
    clip_ids: Sequence[str] = (),
) -> Reference:
    """Summarises the scores of the reference clips, to six significant digits.

    Args:
        scores: `(clips,)` of every head, on its native scale.
        clips: A sentence that says what the clips are.
        model: Name or id of the model.
        revision: Of the model.
        clip_ids: SHA-256 of every clip.

    Raises:
        ReferenceScoresError: Fewer than two clips, or a score that is not finite.

    Example:
        >>> reference = make_reference({"Awe": [0.0, 1.0, 2.0]}, clips="Three.", model="m",
        ...                            revision="r")
        >>> reference.heads["Awe"].mean, reference.heads["Awe"].quantiles[50]
        (1.0, 1.0)
    """
    heads, n_clips = {}, 0
    for name, column in scores.items():
        values = np.asarray(column, dtype=float)
        n_clips = len(values)
        if n_clips < 2 or not np.isfinite(values).all():
            raise ReferenceScoresError(f"{name}: at least two finite scores are needed")
        quantiles = np.quantile(values, np.linspace(0, 1, N_QUANTILES))
        heads[name] = HeadReference(
            _rounded(values.mean()), _rounded(values.std()), tuple(map(_rounded, quantiles))
        )
    if not heads:
        raise ReferenceScoresError("no heads: nothing to refer to")
    ids = tuple(sorted(clip_id[:_ID_DIGITS] for clip_id in clip_ids))
    return Reference(heads, n_clips, clips, model, revision, ids)


def z_scores(scores: Mapping[str, ArrayLike], reference: Reference) -> dict[str, Any]:
    """Each head's distance from its reference mean, in standard deviations: (s - mean) / sd.

    A head that is constant over the reference clips has none: NaN.

    Args:
        scores: A number or an array for each head, on its native scale.
        reference: Of the same model.

    Raises:
        ReferenceScoresError: Heads that the reference does not have.

    Example:
        >>> reference = make_reference({"Awe": [0.0, 2.0]}, clips="", model="m", revision="r")
        >>> z_scores({"Awe": 3.0}, reference)
        {'Awe': 2.0}
    """
    _check(scores, reference)
    z = {}
    for name, column in scores.items():
        head = reference.heads[name]
        values = (np.asarray(column, dtype=float) - head.mean) / (head.sd or np.nan)
        z[name] = values if values.ndim else float(values)
    return z


def percentiles(scores: Mapping[str, ArrayLike], reference: Reference) -> dict[str, Any]:
    """The percent of reference clips that score lower, 0 to 100, in between by interpolation.

    A value that many reference clips share has the middle of theirs.

    Args:
        scores: A number or an array for each head, on its native scale.
        reference: Of the same model.

    Raises:
        ReferenceScoresError: Heads that the reference does not have.

    Example:
        >>> reference = make_reference({"Awe": [0.0, 1.0, 2.0]}, clips="", model="m", revision="r")
        >>> percentiles({"Awe": [-1.0, 1.5, 9.0]}, reference)["Awe"]
        array([  0.,  75., 100.])
    """
    _check(scores, reference)
    percents = {}
    for name, column in scores.items():
        values = np.asarray(column, dtype=float)
        quantiles = np.array(reference.heads[name].quantiles)
        first = np.searchsorted(quantiles, values, "left")
        last = np.searchsorted(quantiles, values, "right")
        low, high = np.clip(first - 1, 0, None), np.clip(first, None, len(quantiles) - 1)
        gap = quantiles[high] - quantiles[low]
        part = (values - quantiles[low]) / np.where(gap > 0, gap, 1)
        between = np.minimum(low + np.clip(part, 0, 1), len(quantiles) - 1)
        ranks = np.where(last > first, (first + last - 1) / 2, between)
        percent = np.where(np.isnan(values), np.nan, ranks * 100 / (len(quantiles) - 1))
        percents[name] = percent if percent.ndim else float(percent)
    return percents


def write_reference(reference: Reference, path: str | os.PathLike[str]) -> None:
    """Writes the file, in one step."""
    path = Path(path)
    data = {"format": 1, **reference._asdict()}
    data["heads"] = {name: head._asdict() for name, head in reference.heads.items()}
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(data, ensure_ascii=False) + "\n", "utf-8")
    temporary.replace(path)


def read_reference(model: str | os.PathLike[str], revision: str | None = None) -> Reference | None:
    """The reference of a model, or None if it has none.

    Args:
        model: Folder or Hub id.
        revision: Branch, tag or commit on the Hub.

    Raises:
        ReferenceScoresError: A file that is not a reference.

    Example:
        >>> from modeling_empathic import NANO
        >>> read_reference(NANO).n_clips
        1200
    """
    path = model_file(model, FILE_NAME, revision)
    if path is None:
        return None
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes")
        data = json.loads(path.read_text("utf-8"))
        heads = {str(name): _head(head) for name, head in data["heads"].items()}
        return Reference(
            heads=heads,
            n_clips=int(data["n_clips"]),
            clips=str(data["clips"]),
            model=str(data["model"]),
            revision=str(data["revision"]),
            clip_ids=tuple(map(str, data["clip_ids"])),
        )
    except (OSError, *_NO_REFERENCE) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ReferenceScoresError(f"{path} is not a reference: {reason}") from None


def model_file(
    model: str | os.PathLike[str], name: str, revision: str | None = None
) -> Path | None:
    """A file of a model's folder or Hub repository, or None if it has none of that name."""
    if Path(model).is_dir():
        path = Path(model, name)
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(os.fspath(model), name, revision=revision))
    except EntryNotFoundError:
        return None


def _head(data: Mapping[str, Any]) -> HeadReference:
    numbers = np.array([data["mean"], data["sd"], *data["quantiles"]], dtype=float)
    quantiles = numbers[2:]
    if len(quantiles) != N_QUANTILES or not np.isfinite(numbers).all() or numbers[1] < 0:
        raise ValueError(f"a head needs a mean, an sd and {N_QUANTILES} quantiles")
    if (np.diff(quantiles) < 0).any():
        raise ValueError("quantiles that fall")
    return HeadReference(float(numbers[0]), float(numbers[1]), tuple(quantiles.tolist()))


def _check(scores: Mapping[str, ArrayLike], reference: Reference) -> None:
    absent = [name for name in scores if name not in reference.heads]
    if absent:
        known = ", ".join(reference.heads)
        raise ReferenceScoresError(f"the reference lacks {', '.join(absent)}; it has {known}")


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
