"""Which clips teach, which say when to stop, which measure: never one speaker in two of them."""

from collections.abc import Sequence

import numpy as np

from .labels import PARTS
from .settings import SPLITS, TrainingError, seed_of

TRAIN, VALIDATION, TEST = range(3)


def make_folds(
    names: Sequence[str],
    speakers: Sequence[str] | None,
    *,
    n_folds: int,
    by: str = "auto",
    parts: Sequence[str] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """The part of every clip in every fold.

    Groups of speakers (or of clips, where the speakers are not known) of about the same size are
    tested in turn; the group after the tested one says when to stop, the others teach. In the last
    row nothing is tested: its heads are the ones to keep. With `n_folds` 1 there is no such row.

    Args:
        names: Of the clips; random splits depend on them and not on their order.
        speakers: Of the clips.
        n_folds: At least 1; with 1, of five groups one is tested. Not more than there are groups.
        by: `speaker`, `random`, or `auto`: by speaker where they are known.
        parts: Where the data say `train`, `validation` and `test` themselves; the only fold then.
        seed: Of the order of the groups.

    Returns:
        `(folds + 1, clips)`, or `(1, clips)`, of `TRAIN`, `VALIDATION` and `TEST`.

    Raises:
        TrainingError: Fewer than three speakers, no speakers to split by, or an empty part.

    Example:
        >>> make_folds(list("abcd"), ["s1", "s1", "s2", "s3"], n_folds=3)[0].tolist()
        [2, 2, 0, 1]
    """
    if by not in SPLITS:
        raise TrainingError(f"split {by!r}: choose {', '.join(SPLITS)}")
    if n_folds < 1:
        raise TrainingError(f"folds {n_folds} must be at least 1")
    if parts is not None:
        return _checked(np.array([[PARTS.index(part) for part in parts]]), "the column split")
    if by == "speaker" and speakers is None:
        raise TrainingError("split by speaker: the data have no column speaker")
    if speakers is not None and by != "random":
        groups = list(speakers)
        n_groups = len(set(groups))
        if n_groups < 3:
            raise TrainingError(
                f"{n_groups} speakers cannot be split into training, validation and test; a random "
                "split would measure how well voices are known again: ask for it by split='random' "
                "if that is what you want"
            )
    else:
        groups = [str(name) for name in names]
        n_groups = len(set(groups))
        if n_groups < 3:
            raise TrainingError(f"{n_groups} clips cannot be split into three parts")
    n_parts = min(n_groups, 5 if n_folds == 1 else max(n_folds, 3))
    part_of = _balanced(groups, n_parts, seed)
    folds = []
    for tested in range(1 if n_folds == 1 else n_parts):
        fold = np.full(len(groups), TRAIN)
        fold[part_of == (tested + 1) % n_parts] = VALIDATION
        fold[part_of == tested] = TEST
        folds.append(fold)
    if n_folds > 1:
        kept = np.full(len(groups), TRAIN)
        kept[part_of == (0 if n_parts < 3 else 1)] = VALIDATION
        folds.append(kept)
    return np.stack(folds)


def _balanced(groups: Sequence[str], n_parts: int, seed: int) -> np.ndarray:
    """A part for every clip: the largest group first, each to the part with the fewest clips."""
    names, counts = np.unique(np.asarray(groups), return_counts=True)
    order = sorted(range(len(names)), key=lambda i: (-counts[i], seed_of(seed, names[i])))
    sizes, part = np.zeros(n_parts, int), {}
    for i in order:
        smallest = int(sizes.argmin())
        part[names[i]] = smallest
        sizes[smallest] += counts[i]
    return np.array([part[group] for group in groups])


def _checked(folds: np.ndarray, what: str) -> np.ndarray:
    for number, part in enumerate(PARTS):
        if number != TEST and not (folds == number).any():
            raise TrainingError(f"{what} leaves no clip for {part}")
    return folds
