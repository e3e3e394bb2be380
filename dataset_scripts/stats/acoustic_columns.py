"""Acoustic features between a build, which measures them, and the statistics, which read them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from dataset_scripts.agreement import StatsError

PREFIX = "acoustics_"


@contextmanager
def measured(failures: list[str]) -> Iterator[Any]:
    """A `clips.Acoustics` whose worker processes live as long as the `with` block.

    Args:
        failures: Gets the error of every clip that cannot be measured; its features are NaN.
    """
    from dataset_scripts.corpora.clips import Acoustics
    from modeling_empathic.acoustics import FEATURES
    from modeling_empathic.acoustics_files import acoustics_pool

    with acoustics_pool() as pool:

        def measure(clips: Sequence[bytes]) -> list[dict[str, float]]:
            outcomes = list(pool(clips))
            failures.extend(outcome.error for outcome in outcomes if outcome.error)
            return [outcome.features or {} for outcome in outcomes]

        yield Acoustics(tuple(FEATURES), measure)


def read_acoustics(folder: str | Path) -> tuple[pa.Table, list[str]]:
    """The acoustic columns of a built corpus, and the class of every clip.

    Args:
        folder: What `emonet-voice bench build --acoustics` made; audio is not read.

    Returns:
        A table with the columns `acoustics_*`, one row a clip; and as many class names.

    Raises:
        StatsError: No built corpus, or one without these columns.
    """
    import datasets

    files = sorted(Path(folder, "data").glob("*.parquet"))
    if not files:
        raise StatsError(f"{folder} has no data/*.parquet: not what `bench build` makes")
    tables, labels = [], []
    for file in files:
        schema = parquet.read_schema(file)
        columns = [name for name in schema.names if name.startswith(PREFIX)]
        if not columns:
            raise StatsError(f"{file.name} has no columns {PREFIX}*: build with acoustics")
        features = datasets.Features.from_arrow_schema(schema)
        target = next(
            (name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)), None
        )
        if target is None:
            raise StatsError(f"{file.name} has no column of classes")
        table = parquet.read_table(file, columns=[*columns, target])
        names = features[target].names
        labels += [names[number] for number in table[target].to_pylist()]
        tables.append(table.select(columns))
    return pa.concat_tables(tables), labels
