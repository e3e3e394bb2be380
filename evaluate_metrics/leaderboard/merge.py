"""One table of many results: every system on every benchmark, with its counts, intervals, floors.

Systems are ranked only among results on the same benchmark: source, revision, configuration and
number of rows. The paper's own figures are a benchmark of their own, since their revision is not
known. A result that lacks clips of the benchmark has a row and no rank.
"""

import math
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

from evaluate_metrics.bench.predictions import EvaluationError
from evaluate_metrics.emonet_voice import OUTCOMES
from evaluate_metrics.leaderboard.checked import CORRELATIONS, FIGURES, checked_result, utc
from evaluate_metrics.published import published_macro, published_table5
from modeling_empathic.report.files import as_json
from modeling_empathic.taxonomy import EMOTION_NAMES

PAPER = "paper, Tables 5 and 6"
RANKED_BY = ("spearman", "macro_spearman")
"""Pooled as in Table 5, and the mean of Table 6: Small leads by the one, Large by the other."""

_TEXTS = ("system", "model", "revision", "time", "package", "benchmark", "bench_source",
          "bench_revision", "bench_config", "file", "unranked")  # fmt: skip
_COUNTS = ("bench_rows", "rows", "used", "without_prediction", *OUTCOMES, "emotions",
           "emotions_left_out", "older_results",
           *(f"rank_{name}" for name in RANKED_BY))  # fmt: skip
_ENDS = ("", "_low", "_high", "_floor")
COLUMNS = ("published", *_TEXTS, *_COUNTS, "refusal_rate", "failure_rate",
           *(f"{name}{end}" for name in FIGURES for end in _ENDS))  # fmt: skip
"""Of a row. Texts, counts and ranks are None where unknown, figures NaN."""


def merge(files: Iterable[str | Path], *, published: bool = True) -> dict[str, Any]:
    """Reads results of `evaluate` and lines them up.

    Of several results of a system on the same benchmark the newest counts, by its `made.time`. A
    file that cannot be used does not stop the others.

    Args:
        files: JSON of `emonet-voice evaluate --output`, from anyone.
        published: Whether the systems of the paper are in the table.

    Returns:
        - `rows`: flat dictionaries of `COLUMNS`, by benchmark and rank, and under `floors` every
          floor and baseline on the rows that the system scored. `..._floor` is the best of them:
          lowest MAE and RMSE, highest correlation. `older_results` counts those that a row
          replaces; `unranked` says why there is no rank.
        - `benchmarks`: the `systems` on each, and whether its revision is known. More than one
          means that there are figures which must not be compared.
        - `rejected`: `file` and `error` of each that could not be used.

    Raises:
        EvaluationError: None of the files can be used.
    """
    found: dict[Hashable, list[dict[str, Any]]] = {}
    rejected = []
    for file in map(Path, files):
        try:
            row = _row(checked_result(file), file.name)
        except EvaluationError as error:
            rejected.append({"file": file.name, "error": str(error)})
        else:
            found.setdefault((_key(row), row["system"]), []).append(row)
    if not found:
        reasons = "; ".join(file["error"] for file in rejected)
        raise EvaluationError(f"there is no result to merge: {reasons or 'no files were given'}")
    rows = _published_rows() if published else []
    for results in found.values():
        newest = max(results, key=lambda row: (row["time"], row["file"]))
        rows.append(newest | {"older_results": len(results) - 1})
    benchmarks: dict[Hashable, list[dict[str, Any]]] = {}
    # The paper's systems first: everybody looks for them.
    for row in sorted(rows, key=lambda row: (not row["published"], row["benchmark"])):
        benchmarks.setdefault(_key(row), []).append(row)
    return {
        "format": 1,
        "kind": "leaderboard",
        "ranked_by": list(RANKED_BY),
        "benchmarks": [
            {
                "benchmark": of[0]["benchmark"],
                "systems": len(of),
                "published": of[0]["published"],
                "revision_known": of[0]["bench_revision"] is not None,
            }
            for of in benchmarks.values()
        ],
        "rows": [row for of in benchmarks.values() for row in _ranked(of)],
        "rejected": rejected,
    }


def write_leaderboard(table: dict[str, Any], folder: str | Path) -> list[Path]:
    """Writes `leaderboard.parquet`, a row a system with `COLUMNS`, then all in `leaderboard.json`.

    Args:
        table: Of [`merge`].
        folder: Made if it is not there.

    Returns:
        The files.
    """
    import pyarrow as pa
    from pyarrow import parquet

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    types = dict.fromkeys(COLUMNS, pa.float64()) | {"published": pa.bool_()}
    types |= dict.fromkeys(_TEXTS, pa.string()) | dict.fromkeys(_COUNTS, pa.int64())
    rows = [{name: None if row[name] != row[name] else row[name] for name in COLUMNS}
            for row in table["rows"]]  # fmt: skip
    made = folder / ".leaderboard.tmp"
    parquet.write_table(pa.Table.from_pylist(rows, pa.schema(types.items())), made)
    made.replace(folder / "leaderboard.parquet")
    made.write_text(as_json(table) + "\n", "utf-8")
    made.replace(folder / "leaderboard.json")
    return [folder / "leaderboard.parquet", folder / "leaderboard.json"]


def _row(result: dict[str, Any], file: str) -> dict[str, Any]:
    metric, bench = result["metric"], result["bench"]
    provenance, outcomes = result["predictions"]["provenance"], metric["outcomes"]
    revision = bench.get("revision")
    where = f"{bench['source']}@{revision}" if revision else f"{bench['source']}, unknown revision"
    floors = metric["floors"] | result["baselines"]
    row = _blank() | {
        "published": False,
        "system": result["system"],
        "model": provenance.get("model"),
        "revision": provenance.get("revision"),
        "time": utc(result["made"]["time"]).isoformat(),
        "package": result["made"]["package"],
        "benchmark": f"{where}, {bench['config']}, {bench['rows']:,} rows",
        "bench_source": bench["source"],
        "bench_revision": revision,
        "bench_config": bench["config"],
        "bench_rows": bench["rows"],
        "file": file,
        "without_prediction": result["join"]["without_prediction"],
        **{name: outcomes[name] for name in ("rows", "used", *OUTCOMES)},
        **{name: outcomes[name] for name in ("refusal_rate", "failure_rate")},
        "emotions": len(metric["per_emotion"]),
        "emotions_left_out": metric["headline"]["emotions_left_out"],
        "floors": {name: {figure: of[figure] for figure in FIGURES} for name, of in floors.items()},
    }
    for figure in FIGURES:
        interval = metric["intervals"][figure]
        row |= {figure: metric[figure], f"{figure}_floor": _best(figure, floors)}
        row |= {f"{figure}_low": interval["low"], f"{figure}_high": interval["high"]}
    return row


def _best(figure: str, floors: dict[str, dict[str, float]]) -> float:
    values = [of[figure] for of in floors.values() if not math.isnan(of[figure])]
    best = max if figure in CORRELATIONS else min
    return best(values, default=math.nan)


def _blank() -> dict[str, Any]:
    unknown = dict.fromkeys(COLUMNS, math.nan) | dict.fromkeys((*_TEXTS, *_COUNTS))
    return unknown | {"floors": {}, "unranked": "", "older_results": 0}


def _published_rows() -> list[dict[str, Any]]:
    """The systems of the paper: no intervals, no counts; its "refusal" is every kind of failure."""
    macro, rows = published_macro(), []
    for found in published_table5():
        mean, n = macro[found["model"]]
        pooled = {name: found[name] for name in FIGURES if name in found}
        about = {"published": True, "system": found["model"], "benchmark": PAPER}
        counts = {"emotions": len(EMOTION_NAMES), "emotions_left_out": len(EMOTION_NAMES) - n}
        rates = {"failure_rate": found["refusal_percent"] / 100, "macro_spearman": mean}
        rows.append(_blank() | about | counts | rates | pooled)
    return rows


def _key(row: dict[str, Any]) -> Hashable:
    """What must be equal for two rows to be compared."""
    return tuple(row[f"bench_{name}"] for name in ("source", "revision", "config", "rows"))


def _ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One benchmark's rows with ranks from 1, best first; equal values share the better rank."""
    for row in rows:
        if row["without_prediction"]:
            row["unranked"] = f"{row['without_prediction']:,} rows of the benchmark have no answer"
        elif any(math.isnan(row[name]) for name in RANKED_BY):
            row["unranked"] = "Spearman's ρ is undefined"
    ranked = [row for row in rows if not row["unranked"]]
    for name in RANKED_BY:
        for row in ranked:
            row[f"rank_{name}"] = 1 + sum(other[name] > row[name] for other in ranked)
    rank = f"rank_{RANKED_BY[0]}"
    return sorted(rows, key=lambda row: (row[rank] or math.inf, row["system"]))
