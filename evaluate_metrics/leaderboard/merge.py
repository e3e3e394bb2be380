"""One table of many results: every system on every benchmark, with its counts, intervals, floors.

Systems are ranked only among results on the same benchmark: source, revision, configuration and
number of rows. The paper's own figures are a benchmark of their own, since their revision is not
known. A result that lacks clips of the benchmark has a row and no rank. Beside the rank stands the
interval of ranks that chance allows (`leaders`).
"""

import math
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from evaluate_metrics.bench.figures import (
    CORRELATIONS,
    FIGURES,
    Comparison,
    Interval,
    OfEmotion,
)
from evaluate_metrics.bench.predictions import Predictions, described
from evaluate_metrics.bench.result import EvaluationError, Result, read_result, utc
from evaluate_metrics.bench.typed_json import FieldError, Name, decode, encode
from evaluate_metrics.emonet_voice import OUTCOMES
from evaluate_metrics.leaderboard.leaders import compare_all, mark_ranks, read_scores
from evaluate_metrics.leaderboard.table import (
    COLUMNS,
    COSTS,
    COUNTS,
    RANKED_BY,
    RATES,
    TEXTS,
    Cell,
    Pair,
)
from evaluate_metrics.published import published_macro, published_table5, published_table6
from modeling_empathic.report.files import locked, replacing, write_json
from modeling_empathic.taxonomy import BENCH_NAMES, EMOTION_NAMES

PAPER = "paper, Tables 5 and 6"
TOLERANCE = 1e-6
"""Up to here two figures are the same one."""


def merge(
    files: Iterable[str | Path],
    *,
    published: bool = True,
    scores: Iterable[str | Path] = (),
    bench: pa.Table | None = None,
) -> dict[str, Any]:
    """Reads results of `evaluate` and lines them up.

    Of several results of a system on the same benchmark the newest counts, by its `made.time`. A
    file that cannot be used does not stop the others.

    Args:
        files: JSON of `emonet-voice evaluate --output`, from anyone.
        published: Whether the systems of the paper are in the table.
        scores: The prediction and score files that results are of: with `bench`, every two
            systems are compared. Found by their checksum, whatever their names.
        bench: Of `reader.read_bench`, what these results are on.

    Returns:
        - `rows`: flat dictionaries of `COLUMNS`, by benchmark and rank; under `floors` every floor
          and baseline on the rows that the system scored, under `ceiling` what their raters reach,
          under `spearman_by_emotion` a [`table.Cell`] each, as JSON has it. `..._floor` is the
          best floor: lowest MAE and RMSE, highest correlation. `older_results` counts those that a
          row replaces; `unranked` says why there is no rank.
        - `benchmarks`: the `systems` on each, and whether its revision is known. More than one
          means that there are figures which must not be compared.
        - `comparisons`: [`table.Pair`]s of systems in the table, as JSON has them.
        - `rejected`: `file` and `error` of each that could not be used.
        - `comparisons_left_out`: the same of comparisons and `scores` that do not fit the table.

    Raises:
        EvaluationError: None of the files can be used.
    """
    by_system: dict[Hashable, list[tuple[dict[str, Any], Result]]] = {}
    rejected = []
    for file in map(Path, files):
        try:
            result = read_result(file)
            row = _row(result, file.name)
        except EvaluationError as error:
            rejected.append({"file": file.name, "error": str(error)})
        else:
            by_system.setdefault((_key(row), row["system"]), []).append((row, result))
    if not by_system:
        reasons = "; ".join(file["error"] for file in rejected)
        raise EvaluationError(f"there is no result to merge: {reasons or 'no files were given'}")
    rows = _published_rows() if published else []
    compared, with_result = [], []
    for results in by_system.values():
        newest, result = max(results, key=lambda of: (of[0]["time"], of[0]["file"]))
        rows.append(newest | {"older_results": len(results) - 1})
        with_result.append((rows[-1], result))
        if result.comparison:
            compared.append((rows[-1], result.comparison))
    benchmarks: dict[Hashable, list[dict[str, Any]]] = {}
    # The paper's systems first: everybody looks for them.
    for row in sorted(rows, key=lambda row: (not row["published"], row["benchmark"])):
        benchmarks.setdefault(_key(row), []).append(row)
    pairs, left_out = _pairs(compared, benchmarks)
    ranked = [_ranked(of) for of in benchmarks.values()]
    if bench is not None:
        # File by file, so that one that is of no result here can be named.
        by_file = [(Path(file).name, read_scores([file])) for file in scores]
        said = {sha: of for _, one in by_file for sha, of in one.items()}
        pairs = [*_all_pairs(with_result, bench, said), *pairs]
        here = {result.predictions.sha256 for row, result in with_result if _is_on(row, bench)}
        left_out += [
            {"file": name, "error": f"{name} is of no result in the table on this Bench"}
            for name, one in by_file
            if here.isdisjoint(one)
        ]
    for of in ranked:
        places = [row for row in of if not row["unranked"]]
        mark_ranks(places, [pair for pair in pairs if pair["benchmark"] == of[0]["benchmark"]])
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
        "rows": [row for of in ranked for row in of],
        "comparisons": pairs,
        "rejected": rejected,
        "comparisons_left_out": left_out,
    }


def write_leaderboard(table: dict[str, Any], folder: str | Path) -> list[Path]:
    """Writes `leaderboard.parquet`, a row a system with `COLUMNS`, then all in `leaderboard.json`.

    Args:
        table: Of [`merge`].
        folder: Made if it is not there.

    Returns:
        The files.
    """
    from pyarrow import parquet

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    types = dict.fromkeys(COLUMNS, pa.float64()) | {"published": pa.bool_()}
    types |= dict.fromkeys(TEXTS, pa.string()) | dict.fromkeys(COUNTS, pa.int64())
    rows = [{name: None if row[name] != row[name] else row[name] for name in COLUMNS}
            for row in table["rows"]]  # fmt: skip
    with locked(folder, on_wait=lambda: None):  # both files are of one run
        with replacing(folder / "leaderboard.parquet") as temporary:
            parquet.write_table(pa.Table.from_pylist(rows, pa.schema(types.items())), temporary)
        write_json(folder / "leaderboard.json", table)
    return [folder / "leaderboard.parquet", folder / "leaderboard.json"]


def _row(result: Result, file: str) -> dict[str, Any]:
    metric, bench, outcomes = result.metric, result.bench, result.metric.outcomes
    revision = bench.revision
    where = f"{bench.source}@{revision}" if revision else f"{bench.source}, unknown revision"
    row = _blank() | {
        "published": False,
        "system": result.system,
        **{name: _of_provenance(result, name, file) for name in ("model", "revision")},
        "time": utc(result.made.time).isoformat(),
        "package": result.made.package,
        "benchmark": f"{where}, {bench.config}, {bench.rows:,} rows",
        "bench_source": bench.source,
        "bench_revision": revision,
        "bench_config": bench.config,
        "bench_rows": bench.rows,
        "resampled": result.resampled,
        "file": file,
        "without_prediction": result.join.without_prediction,
        **{name: outcomes[name] for name in ("rows", "used", *OUTCOMES, *RATES)},
        **{name: _cost(result, name) for name in COSTS},
        "emotions": len(metric.per_emotion),
        "emotions_left_out": metric.headline.emotions_left_out,
        "floors": {
            name: {figure: of[figure] for figure in FIGURES} for name, of in result.floors.items()
        },
        "ceiling": {
            how: {figure: of[figure] for figure in FIGURES} for how, of in result.ceiling.items()
        },
        "spearman_by_emotion": {
            name: encode(_cell(of, metric.intervals.per_emotion[name].spearman))
            for name, of in metric.per_emotion.items()
            if name in BENCH_NAMES and name in metric.intervals.per_emotion
        },
    }
    for figure in FIGURES:
        interval = metric.intervals[figure]
        floors = [of[figure] for of in result.floors.values()]
        row |= {figure: metric[figure], f"{figure}_floor": _best(figure, floors)}
        row |= {f"{figure}_low": interval.low, f"{figure}_high": interval.high}
    return row


def _of_provenance(result: Result, name: str, file: str) -> str | None:
    """What the prediction file says of its model; the rest of it is its maker's own."""
    field = f"predictions.provenance.{name}"
    try:
        value: str | None = decode(Name | None, result.predictions.provenance.get(name), field)
    except FieldError as error:
        raise EvaluationError(f"{file}: {error}") from None
    return value


def _cost(result: Result, name: str) -> float:
    """What the maker of the predictions says that a clip took; NaN where it is no number."""
    value = result.predictions.provenance.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6:
        return float(value)
    return math.nan


def _cell(of: OfEmotion, interval: Interval) -> Cell:
    failed = [f"{n:,} {name}" for name, n in of.outcomes.items() if n and name != "scored"]
    why = (", ".join(failed) or "undefined") if math.isnan(of.spearman) else ""
    return Cell(value=of.spearman, low=interval.low, high=interval.high, why=why)


def _all_pairs(
    with_result: list[tuple[dict[str, Any], Result]],
    bench: pa.Table,
    scores: dict[str, Predictions],
) -> list[dict[str, Any]]:
    """Every two systems on a benchmark whose scores are here."""
    rows = {
        row["system"]: (row, scores[result.predictions.sha256])
        for row, result in with_result
        if _is_on(row, bench) and result.predictions.sha256 in scores
    }
    found = compare_all({name: of for name, (_, of) in rows.items()}, bench)
    return [
        encode(Pair(benchmark=rows[a][0]["benchmark"], a=a, b=b, comparison=comparison))
        for (a, b), comparison in found.items()
    ]


def _is_on(row: dict[str, Any], bench: pa.Table) -> bool:
    about = described(bench)
    here = (about.get("source"), about.get("revision"), about.get("config"), len(bench))
    return _key(row) == here


def _pairs(
    compared: list[tuple[dict[str, Any], Comparison]],
    benchmarks: dict[Hashable, list[dict[str, Any]]],
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Comparisons of systems that both stand in the table with the very results compared."""
    pairs, left_out = [], []
    for row, comparison in compared:
        others = [
            other
            for other in benchmarks[_key(row)]
            if other["system"] != row["system"]
            and comparison.system in (other["system"], other["model"])
        ]
        if len(others) != 1:
            why = f"is with {comparison.system!r:.80}, which is not in the table"
        else:
            why = _why_not_of(row, others[0], comparison)
        if why:
            error = f"{row['file']}: its comparison {why}"
            left_out.append({"file": row["file"], "error": error})
        else:
            pair = Pair(
                benchmark=row["benchmark"],
                a=row["system"],
                b=others[0]["system"],
                comparison=comparison,
            )
            pairs.append(encode(pair))
    return pairs, left_out


def _why_not_of(a: dict[str, Any], b: dict[str, Any], comparison: Comparison) -> str:
    """Why a comparison is of other results than those of two rows, or `""`."""
    rows, rho = comparison.rows, comparison.spearman
    for row, own, value in ((a, rows.only_a, rho.a), (b, rows.only_b, rho.b)):
        if rows.common + own != row["used"]:
            return "is not of the rows in the table"
        if not own and not _same(value, row["spearman"]):
            return "is of other results than the table"
    for name in FIGURES:
        of = comparison[name]
        if not (math.isnan(of.p) or _same(of.difference, of.a - of.b)):
            return f"contradicts itself: {name} has a difference of {of.difference:g}, not of A - B"
    return ""


def _same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or abs(a - b) < TOLERANCE


def _best(figure: str, floors: Iterable[float]) -> float:
    best = max if figure in CORRELATIONS else min
    return best((value for value in floors if not math.isnan(value)), default=math.nan)


def _blank() -> dict[str, Any]:
    unknown: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan) | dict.fromkeys((*TEXTS, *COUNTS))
    tables: dict[str, Any] = {"floors": {}, "ceiling": {}, "spearman_by_emotion": {}}
    return unknown | tables | {"unranked": "", "older_results": 0}


def _published_rows() -> list[dict[str, Any]]:
    """The systems of the paper: no intervals, no counts; its "refusal" is every kind of failure."""
    macro, by_emotion, rows = published_macro(), published_table6(), []
    for published in published_table5():
        system = published["model"]
        mean, n = macro[system]
        pooled = {name: published[name] for name in FIGURES if name in published}
        about = {"published": True, "system": system, "benchmark": PAPER}
        cells = {
            name: encode(
                Cell(
                    value=rho,
                    low=math.nan,
                    high=math.nan,
                    why="NaN in the paper" if math.isnan(rho) else "",
                )
            )
            for name, rho in by_emotion[system].items()
        }
        counts = {"emotions": len(EMOTION_NAMES), "emotions_left_out": len(EMOTION_NAMES) - n}
        rates = {"failure_rate": published["refusal_percent"] / 100, "macro_spearman": mean}
        rows.append(_blank() | about | counts | rates | pooled | {"spearman_by_emotion": cells})
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
