"""Data sets of strangers through `datasets`, whose errors are of many kinds."""

import re
from typing import Any

from ..taxonomy import UserError


def load_split(source: str, split: str, **options: Any) -> Any:
    """One split of a data set, by `datasets.load_dataset`.

    Args:
        source: Folder or Hub id.
        split: Its name, or a part of it.
        options: Of `load_dataset`: `name`, `revision`, `streaming`.

    Raises:
        UserError: It cannot be had, has no row, or is not whole.
    """
    import datasets
    from datasets.exceptions import DatasetsError, NonMatchingSplitsSizesError

    try:
        return datasets.load_dataset(source, split=split, **options)
    except IndexError:  # what it says of a stored split without a row
        raise UserError(f"split {split!r} is empty") from None
    except NonMatchingSplitsSizesError as error:
        raise UserError(f"data {source}, split {split!r}: {not_whole(error)}") from None
    except (OSError, ValueError, DatasetsError) as error:
        lines = str(error.__cause__ or error).strip().splitlines()
        why = lines[0] if lines else type(error).__name__
        raise UserError(f"data {source}, split {split!r}: {why}") from None


def not_whole(error: Exception) -> str:
    """What `NonMatchingSplitsSizesError` says, for people."""
    of, n, *_ = *re.findall(r"num_examples=(\d+)", str(error)), "?", "?"
    return f"{n} clips are there, and its README counts {of}: a file is missing, or one too many"
