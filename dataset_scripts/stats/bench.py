"""What a built Bench says about itself: the paper's Tables 3, 4, 9 and 10 and Figure 1's numbers.

Reads the label columns of `FOLDER/data/*.parquet` and no audio. What the data does not say (the
public release has neither language, voice nor duration) is None in [`stats`] and "unknown" in the
tables, never zero.
"""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from dataset_scripts.agreement import (
    OVERALL,
    Estimate,
    RatedItems,
    StatsError,
    agreement_counts,
    alpha_alternatives,
    alpha_by_emotion,
    pairwise_kappa,
)
from dataset_scripts.annotations import AGREEMENT_TYPES, CONSENSUS, SCORES, Rating
from dataset_scripts.ceiling import ceiling
from dataset_scripts.intraclass import intraclass_by_emotion

NEEDED = ("emotion", "ratings")
OPTIONAL = ("language", "voice", "duration_s")
RATINGS = pa.list_(pa.struct({"rater": pa.string(), "score": pa.int64()}))


def read_ratings(source: str | Path | pa.Table) -> RatedItems:
    """The ratings of a Bench as arrays, one row an item.

    Args:
        source: Folder with `data/*.parquet`, or a table with the columns `emotion` and `ratings`.

    Raises:
        StatsError: No such files, a column is missing or of the wrong type, a row has no emotion or
            no ratings, or a score is not 0, 1 or 2; the message names file and row.
    """
    return _rated_items(_read_labels(source))


def stats(
    source: str | Path | pa.Table,
    *,
    matrix: str = "first_two",
    n_resamples: int = 1000,
    seed: int = 42,
) -> dict[str, Any]:
    """Everything that the tables and the figure show, as plain values.

    Args:
        source: As in [`read_ratings`].
        matrix: Which of `agreement.MATRICES` Table 10's α comes from.
        n_resamples: Bootstrap samples of its intervals.
        seed: Of the bootstrap.

    Returns:
        `clips`, `ratings`; `languages`, `voices`: clips of each, or None where there is no such
        column; `mean_duration_s`, `playtime_h`: None unless every clip has a duration;
        `raters_per_clip`; `raters`; `consensus`: clips in each view; `alpha`: rows of Table 10,
        highest first, undefined ones last with a `reason`; `alpha_by_matrix`; `kappa`; `agreement`:
        rows of Figure 1, by the share of clips whose raters mostly found the emotion; `ceiling`: of
        `ceiling.ceiling`.

    Raises:
        StatsError: As [`read_ratings`], or an unknown `matrix`.
    """
    table = _read_labels(source)
    items = _rated_items(table)
    n_raters = (~np.isnan(items.scores)).sum(axis=1)
    mean_duration_s = _mean_duration_s(table)
    return {
        "clips": len(table),
        "ratings": int(n_raters.sum()),
        "languages": _counts(table, "language"),
        "voices": _counts(table, "voice"),
        "mean_duration_s": mean_duration_s,
        "playtime_h": mean_duration_s and mean_duration_s * len(table) / 3600,
        "raters_per_clip": {int(n): int((n_raters == n).sum()) for n in np.unique(n_raters)},
        "raters": [
            {
                "rater": name,
                "clips": int((items.raters == i).sum()),
                "emotions_per_clip": 1,
                "scale": f"{SCORES[0]}-{SCORES[-1]}",
            }
            for i, name in enumerate(items.names)
        ],
        "consensus": consensus_counts(items),
        "alpha_matrix": matrix,
        "alpha": _alpha_rows(items, matrix, n_resamples, seed),
        "alpha_by_matrix": [
            {"matrix": name, **_over_emotions(by_emotion)}
            for name, by_emotion in alpha_alternatives(items, n_resamples=0).items()
        ],
        "kappa": [
            {
                "raters": list(pair),
                "clips": both["linear"].n,
                "linear": both["linear"].value,
                "quadratic": both["quadratic"].value,
                "reason": both["linear"].reason,
            }
            for pair, both in pairwise_kappa(items).items()
        ],
        "agreement": _agreement_rows(items),
        "ceiling": ceiling(items, n_resamples=n_resamples, seed=seed),
    }


def consensus_counts(items: RatedItems) -> dict[str, int]:
    """How many clips are in each of `annotations.CONSENSUS`.

    Example:
        >>> both = RatedItems.of([("Awe", [Rating("a", 2), Rating("b", 1)])])
        >>> consensus_counts(both)
        {'unanimous_present': 1, 'unanimous_absent': 0, 'unanimous': 1, 'same_score': 0}
    """
    rows, n_clips = np.unique(np.nan_to_num(items.scores, nan=-1), axis=0, return_counts=True)
    groups = [[Rating("", int(score)) for score in row if score >= 0] for row in rows]
    return {
        name: sum(int(n) for group, n in zip(groups, n_clips, strict=True) if holds(group))
        for name, holds in CONSENSUS.items()
    }


def _alpha_rows(
    items: RatedItems, matrix: str, n_resamples: int, seed: int
) -> list[dict[str, Any]]:
    alphas = alpha_by_emotion(items, matrix, n_resamples=n_resamples, seed=seed)
    krippendorff = alpha_by_emotion(items, "krippendorff", n_resamples=n_resamples, seed=seed)
    alike = intraclass_by_emotion(items, n_resamples=n_resamples, seed=seed)
    rows = [
        {
            "emotion": name,
            "alpha": alpha.value,
            "ci_lower": alpha.low,
            "ci_upper": alpha.high,
            "n_items": alpha.n,
            "n_undefined_resamples": alpha.n_undefined,
            "reason": alpha.reason,
            "krippendorff": krippendorff[name].value,
            "krippendorff_n_items": krippendorff[name].n,
            "krippendorff_ci_lower": krippendorff[name].low,
            "krippendorff_ci_upper": krippendorff[name].high,
            "icc": alike[name].single.value,
            "icc_ci_lower": alike[name].single.low,
            "icc_ci_upper": alike[name].single.high,
            "icc_of_mean": alike[name].mean.value,
        }
        for name, alpha in alphas.items()
    ]
    return sorted(rows, key=lambda row: (math.isnan(row["alpha"]), -row["alpha"], row["emotion"]))


def _over_emotions(estimates: dict[str, Estimate]) -> dict[str, Any]:
    values = [estimate.value for name, estimate in estimates.items() if name != OVERALL]
    defined = [value for value in values if not math.isnan(value)]
    return {
        "overall": estimates[OVERALL].value,
        "mean_of_emotions": float(np.mean(defined)) if defined else math.nan,
        "undefined_emotions": len(values) - len(defined),
    }


def _agreement_rows(items: RatedItems) -> list[dict[str, Any]]:
    """Rows of Figure 1: clips of each type, and percent of clips by their number of raters."""
    rows = []
    counts = agreement_counts(items)
    for name, part in items.groups().items():
        n_raters = (~np.isnan(part.scores)).sum(axis=1)
        types = {kind: counts[name].get(kind, 0) for kind in AGREEMENT_TYPES}
        types |= counts[name]  # with one rater or more than four there are types beyond Figure 1's
        percent = {int(n): 100 * float((n_raters == n).mean()) for n in np.unique(n_raters)}
        rows.append({"emotion": name, "n": len(n_raters), "types": types, "percent": percent})

    def present(row: dict[str, Any]) -> float:
        n_present: int = sum(n for kind, n in row["types"].items() if kind.endswith("(+)"))
        return n_present / int(row["n"])

    overall = rows.pop()
    return [overall, *sorted(rows, key=lambda row: (-present(row), row["emotion"]))]


def _counts(table: pa.Table, column: str) -> dict[str, int] | None:
    """Clips of each value, most frequent first; None where there is no such column."""
    if column not in table.column_names:
        return None
    counts = pc.value_counts(pc.fill_null(table.column(column).cast(pa.string()), "unknown"))
    pairs = [(entry["values"], entry["counts"]) for entry in counts.to_pylist()]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _mean_duration_s(table: pa.Table) -> float | None:
    """None unless every clip has a duration: a sum over some of them would pass for the whole."""
    if "duration_s" not in table.column_names:
        return None
    seconds = table.column("duration_s").to_numpy()
    return float(seconds.mean()) if (seconds > 0).all() and np.isfinite(seconds).all() else None


def _read_labels(source: str | Path | pa.Table) -> pa.Table:
    """`emotion` as text, `ratings`, and of `OPTIONAL` what every file has."""
    if isinstance(source, pa.Table):
        tables = [_checked(source, "table")]
    else:
        tables = [_checked(table, where) for where, table in _read_files(Path(source))]
    shared = set.intersection(*(set(table.column_names) for table in tables))
    labels = pa.concat_tables(
        table.select([name for name in (*NEEDED, *OPTIONAL) if name in shared]) for table in tables
    )
    if not len(labels):
        raise StatsError("there are no clips to count")
    return labels


def only_classes(folder: Path, columns: Sequence[str]) -> str:
    """What to say of a corpus of classes that is taken for Bench, by its columns; else nothing.

    Example:
        >>> only_classes(Path("emodb"), ["audio", "label"])
        'emodb is a corpus of classes, not a Bench with ratings: use generalize'
    """
    if "label" in columns and "emotion" not in columns:
        return f"{folder} is a corpus of classes, not a Bench with ratings: use generalize"
    return ""


def _read_files(folder: Path) -> Iterator[tuple[str, pa.Table]]:
    """Name and label columns of each file; audio stays on the disk."""
    files = sorted(folder.glob("data/*.parquet"))
    if not files:
        raise StatsError(f"{folder} is no built Bench: it has no data/*.parquet")
    for file in files:
        where = f"data/{file.name}"
        try:
            names = parquet.read_schema(file).names
            if why := only_classes(folder, names):
                raise StatsError(why)
            columns = [name for name in (*NEEDED, *OPTIONAL) if name in names]
            yield where, parquet.read_table(file, columns=columns, partitioning=None)
        except pa.ArrowException as error:
            raise StatsError(f"{where} is not a whole Parquet file: {error}") from error


def _checked(table: pa.Table, where: str) -> pa.Table:
    """The label columns with one type each, every row with an emotion and valid ratings."""
    types = {"ratings": RATINGS, "duration_s": pa.float64()}
    columns = {}
    for name in (*NEEDED, *OPTIONAL):
        if name not in table.column_names:
            if name in NEEDED:
                raise StatsError(f"{where} has no column {name}")
            continue
        column = table.column(name)
        try:
            if name == "emotion" and pa.types.is_integer(column.type):
                column = pc.take(_class_names(table, where), column)
            columns[name] = column.cast(types.get(name, pa.string()))
        except (pa.ArrowException, IndexError) as error:
            raise StatsError(f"{where}: column {name} ({column.type}): {error}") from error
    ratings = columns["ratings"].combine_chunks()
    rows, flat = pc.list_parent_indices(ratings).to_numpy(), pc.list_flatten(ratings)
    scores, raters = pc.struct_field(flat, "score"), pc.struct_field(flat, "rater")
    _refuse(columns["emotion"].is_null(), where, "no emotion")
    _refuse(pc.fill_null(pc.equal(pc.list_value_length(ratings), 0), True), where, "no ratings")
    _refuse(raters.is_null(), where, "a rating without a rater", rows)
    pairs = np.stack([rows, raters.dictionary_encode().indices.to_numpy()])
    repeated = np.ones(len(rows), dtype=bool)
    repeated[np.unique(pairs, axis=1, return_index=True)[1]] = False
    _refuse(pa.array(repeated), where, "two ratings by one rater", rows)
    allowed = pc.is_in(scores, value_set=pa.array(SCORES, pa.int64()))
    _refuse(pc.invert(allowed), where, f"a score that is none of {SCORES}", rows)
    return pa.table({**columns, "ratings": ratings})


def _class_names(table: pa.Table, where: str) -> pa.Array:
    """The names of the ClassLabel `emotion`, from what `datasets` writes into the file."""
    try:
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        return pa.array(features["emotion"]["names"], pa.string())
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise StatsError(f"{where}: emotion is a number, and the file has no names") from error


def _refuse(bad: Any, where: str, what: str, rows: np.ndarray | None = None) -> None:
    index = pc.index(bad, True).as_py()
    if index >= 0:
        raise StatsError(f"{where}: row {1 + (index if rows is None else rows[index])} has {what}")


def _rated_items(table: pa.Table) -> RatedItems:
    ratings = table.column("ratings").combine_chunks()
    flat = pc.list_flatten(ratings)
    raters = pc.struct_field(flat, "rater").dictionary_encode()
    names = sorted(raters.dictionary.to_pylist())
    order = np.array([names.index(name) for name in raters.dictionary.to_pylist()], dtype=int)
    lengths = pc.list_value_length(ratings).to_numpy()
    filled = np.arange(lengths.max(initial=0)) < lengths[:, None]
    scores, who = np.full(filled.shape, np.nan), np.full(filled.shape, -1)
    scores[filled] = pc.struct_field(flat, "score").to_numpy()
    who[filled] = order[raters.indices.to_numpy()]
    emotions = np.array(table.column("emotion").to_pylist(), dtype=object)
    return RatedItems(emotions, scores, who, tuple(names))
