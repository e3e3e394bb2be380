"""A result that somebody wants on the board: checked, and turned into a ready pull request."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from board import Board, on
from markup import brief, number, section, text
from names import alphabets, plain
from systems import COLUMNS, System, wrong_with

from evaluate_metrics.bench.result import EvaluationError, Result, read_result

HOME = "laion/emonet-voice-leaderboard"
LARGEST_BYTES = 5_000_000


@dataclass(frozen=True)
class Checked:
    """A result that can be merged.

    Attributes:
        result: As it was read.
        file: Name for it in `data/results/`.
        benchmark: On the board, or None where nobody else is on it.
        place: It would have by pooled ρ; None without a rank.
        of: Systems that would be ranked there, this one included.
        notes: What a maintainer would ask about.
    """

    result: Result
    file: str
    benchmark: str | None
    place: int | None
    of: int
    notes: list[str]


def check(board: Board, path: str | Path) -> Checked:
    """Reads a result and says where it would stand.

    Args:
        board: Of `board.load`.
        path: Of the file that was uploaded.

    Raises:
        EvaluationError: It is no result of `emonet-voice evaluate`, with the field that is wrong.
    """
    path = Path(path)
    if path.stat().st_size > LARGEST_BYTES:
        raise EvaluationError(f"{path.name} is larger than {LARGEST_BYTES:,} bytes")
    result = read_result(path)
    bench = result.bench
    key = (bench.source, bench.revision, bench.config, bench.rows)
    names = ("bench_source", "bench_revision", "bench_config", "bench_rows")
    rows = {n: row for n, row in board.rows.items() if tuple(row[name] for name in names) == key}
    notes = []
    if missing := result.join.without_prediction:
        notes.append(f"{missing:,} rows of the benchmark have no answer, so it gets no rank.")
    if bench.revision is None or not re.fullmatch(r"[0-9a-f]{40}", bench.revision):
        notes.append("The benchmark is not at a commit: evaluate with --revision COMMIT.")
    if not rows:
        notes.append("Nobody else is on this benchmark, revision and configuration yet.")
    if any(plain(row["system"]) == plain(result.system) for row in rows.values()):
        notes.append("A system of this name is on the board: the newer of two results counts.")
    if mixed := alphabets(result.system):
        notes.append(f"Its name has letters of two alphabets: {', '.join(mixed)}.")
    rho = result.metric.spearman
    ranked = [row["spearman"] for row in rows.values()
              if row["rank_spearman"] and plain(row["system"]) != plain(result.system)]  # fmt: skip
    no_rank = bool(missing) or any(value != value for value in (rho, result.metric.macro_spearman))
    return Checked(
        result=result,
        file=_file_name(result.system),
        benchmark=next((row["benchmark"] for row in rows.values()), None),
        place=None if no_rank else 1 + sum(value > rho for value in ranked),
        of=len(ranked) + (not no_rank),
        notes=notes,
    )


def ready(checked: Checked, known: System, space: str) -> dict[str, str]:
    """The pull request: its `title`, `text`, `line` for `systems.csv`, `command` and `link`.

    Args:
        checked: Of [`check`].
        known: What its maker says of the system.
        space: Id of the Space, `""` for ours.

    Raises:
        EvaluationError: What is said cannot be used.
    """
    space = space or HOME
    system, metric = checked.result.system, checked.result.metric
    row = [system, known.access, str(known.parameters or ""), known.date, known.link]
    if problem := wrong_with(dict(zip(COLUMNS, row, strict=True))):
        raise EvaluationError(problem)
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    own = metric.intervals.spearman
    bench = checked.result.bench
    title = f"Add {system}"
    where = f"{bench.source}@{bench.revision}, {bench.config}, {bench.rows:,} rows"
    lines = [
        f"Adds `data/results/{checked.file}`: {system} on {where}.",
        "",
        f"- Spearman's ρ over all clips {number(metric.spearman)}"
        + (f" ({number(own.low)} to {number(own.high)})" if own.low == own.low else "")
        + f", mean of emotions {number(metric.macro_spearman)}",
        f"- rows {metric.outcomes.rows:,}, used {metric.outcomes.used:,}",
        f"- SHA-256 of the predictions: `{checked.result.predictions.sha256 or 'not known'}`",
        f"- line for `data/systems.csv`: `{out.getvalue()}`",
        *(f"- note: {note}" for note in checked.notes),
        "",
        "The prediction file, so that others can compute this again: (link)",
    ]
    command = (
        f"hf upload {space} {checked.file} data/results/{checked.file} --repo-type space "
        f'--create-pr --commit-message "Add {checked.file.removesuffix(".json")}"'
    )
    body = "\n".join(lines)
    link = (
        f"https://huggingface.co/spaces/{space}/discussions/new?"
        f"title={quote(title)}&description={quote(body)}"
    )
    return {
        "title": title, "text": body, "line": out.getvalue(), "command": command, "link": link,
    }  # fmt: skip


def shown(checked: Checked, request: dict[str, str], board: Board) -> str:
    """What was found, and the pull request, for the page."""
    metric = checked.result.metric
    where = f"On {text(brief(checked.benchmark))}" if checked.benchmark else "On its own benchmark"
    place = f"place {checked.place} of {checked.of}" if checked.place else "no rank"
    n = len(on(board, checked.benchmark)) if checked.benchmark else 0
    notes = "".join(f"<li>{text(note)}</li>" for note in checked.notes)
    name = f"<strong>{text(checked.result.system)}</strong>"
    return section(
        f'<p class="lead">This result can be added. {name}: ρ {number(metric.spearman)}, mean of '
        f"emotions {number(metric.macro_spearman)}. {where} ({n} systems now) that would be "
        f"{place}.</p>",
        f"<ul>{notes}</ul>" if notes else "",
        "<h3>The pull request</h3><p>1. Save the file as "
        f"<code>{text(checked.file)}</code> and run this in its folder; it opens the pull request:"
        f'</p><pre tabindex="0">{text(request["command"])}</pre><p>2. Paste this text into it, or '
        f'<a href="{text(request["link"])}" rel="noopener">open a discussion with this text</a> '
        "and attach the file:</p>"
        f'<pre tabindex="0">{_lines(request["text"])}</pre>',
    )


def _lines(words: str) -> str:
    return "\n".join(text(line) if line else "" for line in words.split("\n"))


def _file_name(system: str) -> str:
    """Of letters, digits and single hyphens: from anybody's name, so that no path comes of it."""
    words = re.sub(r"[^a-z0-9]+", "-", plain(system).lower()).strip("-")
    return f"{words[:60].strip('-') or 'system'}.json"


def said(access: str | None, parameters: Any, link: str | None) -> System:
    """What the form says of a system.

    Raises:
        EvaluationError: A number of parameters that is none, or below 0.
    """
    try:
        n = round(float(parameters) * 1e6) if parameters else None
    except (TypeError, ValueError, OverflowError):
        raise EvaluationError(f"parameters {parameters!r:.80} is not a number") from None
    if n is not None and n < 0:
        raise EvaluationError(f"parameters {parameters!r:.80} is below 0")
    return System(access or "", n, "", (link or "").strip())
