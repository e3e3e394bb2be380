"""Annotation: 40 scores from 0 to 4 for every clip, and a caption that says them in words.

    OUT/scores.parquet   a row a spoken clip, written last and at once

Who scores is an argument: `judge` takes the clips and gives a [`Judgement`] for each, in order, and
keeps what it has of them on disk, so that a run that was killed goes on. A judgement is whole or
there is none: an answer of 39 scores teaches a model a zero that nobody gave.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from modeling_empathic import __version__
from modeling_empathic.norms import Norm
from modeling_empathic.report.files import locked, replacing
from modeling_empathic.report.packed import read_table
from modeling_empathic.scoring.file import METADATA_KEY, stored_provenance
from modeling_empathic.taxonomy import (
    EMOTION_NAMES,
    EMOTION_SCALE,
    EMOTIONS,
    UnknownNameError,
    resolve,
)
from modeling_empathic.training.captions import NOTHING, CaptionError, make_caption, parse_caption

from .clips import PackingError, check_ids, read_clips, refuse_twice, rows_of, spoken

SCORES = "scores.parquet"
SCORED = "scored"
OUTCOMES = (SCORED, "refused", "unmapped", "parse_error", "transport_error", "decode_error")
"""Those of the metric: a clip that nobody scored has no scores, and the reason."""
BATCH = 1_000
_DENIAL = re.compile(
    r"\b(?:no|not|nor|none|never|neither|without|hardly|barely|scarcely|cannot|lack\w*|absen\w+|"
    r"instead of|rather than)\b|n['’]t\b"
)


class Judgement(NamedTuple):
    """What an annotator says of one clip.

    Attributes:
        scores: 40 numbers from 0 to 4 in the order of `EMOTION_NAMES`; None unless scored.
        outcome: One of `OUTCOMES`.
        reason: Why there are no scores.
    """

    scores: list[float] | None
    outcome: str = SCORED
    reason: str = ""


Judge = Callable[[pa.Table], Iterator[Judgement]]
Rewrite = Callable[[Iterable[tuple[str, str]]], Callable[[str], tuple[str, str]]]
"""Takes ids and captions; gives a function from an id to a paraphrase and why there is none."""


def judgement(answer: Iterable[tuple[str, Any]]) -> Judgement:
    """Reads 40 scores, strictly: every name once, nothing but numbers from 0 to 4.

    Args:
        answer: Names in any spelling and values; names of what is no emotion do not matter.

    Example:
        >>> whole = {name: 1 for name in EMOTION_NAMES}
        >>> judgement(whole.items()).outcome
        'scored'
        >>> judgement((whole | {"Awe": 5}).items())
        Judgement(scores=None, outcome='parse_error', reason='Awe: 5 is outside 0 to 4')
        >>> judgement((whole | {"Awe": "N/A"}).items())
        Judgement(scores=None, outcome='parse_error', reason="Awe: 'N/A' is not a number")
        >>> judgement([pair for pair in whole.items() if pair[0] != "Awe"])
        Judgement(scores=None, outcome='unmapped', reason='39 of 40 scores: none for Awe')
    """
    found: dict[str, Any] = {}
    for label, value in answer:
        name = head_name(label)
        if name in found:
            return Judgement(None, "parse_error", f"{name}: several scores")
        if name in EMOTION_NAMES:
            found[name] = value
    low, high = EMOTION_SCALE
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            return Judgement(None, "parse_error", f"{name}: {value!r:.60} is not a number")
        if not low <= value <= high:
            reason = f"{name}: {str(value)[:60]} is outside {low:g} to {high:g}"
            return Judgement(None, "parse_error", reason)
    missing = [name for name in EMOTION_NAMES if name not in found]
    if missing:
        n = len(EMOTION_NAMES)
        reason = f"{n - len(missing)} of {n} scores: none for {', '.join(missing[:3])}"
        return Judgement(None, "unmapped", reason)
    return Judgement(within_scale(found[name] for name in EMOTION_NAMES))


def within_scale(scores: Iterable[float]) -> list[float]:
    """Scores of a model, which are unbounded regressions, as the nearest that the scale has.

    Example:
        >>> within_scale([-0.05, 4.6, 1.5])
        [0.0, 4.0, 1.5]
    """
    low, high = EMOTION_SCALE
    return [min(max(float(score), low), high) + 0.0 for score in scores]  # -0.0 is 0.0


def annotate(
    out: str | Path,
    judge: Judge,
    about: Mapping[str, Any],
    *,
    rewrite: Rewrite | None = None,
    norm: Norm | None = None,
    overwrite: bool = False,
) -> dict[str, int]:
    """Scores the spoken clips of a folder and writes `scores.parquet`.

    Args:
        out: Folder with `clips.parquet`.
        judge: Who scores; asked a second time where there is a `rewrite`.
        about: What the scores depend on, `annotator` among it; no times and nothing of this run.
        rewrite: Who paraphrases the captions; one that says something else is not taken.
        norm: What decides the intensity words of captions in place of the scores; `about` is to
            name it.
        overwrite: Replace scores that another annotator gave.

    Returns:
        Clips of each outcome; with `rewrite`, also `paraphrased` and `not paraphrased`.

    Raises:
        PackingError: No clips, or scores of another annotator.
        UserError: Another run is annotating.
    """
    out = Path(out)
    clips = spoken(read_clips(out))
    if not len(clips):
        raise PackingError(f"{out} has no spoken clip to annotate")
    target = out / SCORES
    provenance = {"kind": "annotations", "package": f"emonet-voice {__version__}", **about}
    with locked(target):
        if target.exists() and not overwrite:
            _refuse_other(target, stored_provenance(target), provenance)
        paraphrase = None
        if rewrite is not None:
            scored = zip(clips["id"].to_pylist(), judge(clips), strict=True)
            paraphrase = rewrite((one, _caption(one, j, norm)) for one, j in scored if j.scores)
        counts: Counter[str] = Counter()
        schema = _schema(provenance)
        with (
            replacing(target) as temporary,
            parquet.ParquetWriter(temporary, schema) as writer,
        ):
            rows: list[dict[str, Any]] = []
            for clip, judged in zip(rows_of(clips), judge(clips), strict=True):
                rows.append(_row(clip, judged, paraphrase, norm))
                counts[judged.outcome] += 1
                if paraphrase and judged.scores:
                    counts["paraphrased" if rows[-1]["paraphrased"] else "not paraphrased"] += 1
                if len(rows) == BATCH:
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                    rows = []
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return dict(counts)


def _refuse_other(target: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Scores and paraphrases that cost somebody something are not lost by a forgotten option."""
    advice = "overwrite them, or move the file"
    if before.get("annotator") != now["annotator"]:
        raise PackingError(
            f"{target} has scores of {before.get('annotator') or 'somebody else'}; {advice}"
        )
    rewriter = before.get("paraphrased_by")
    if rewriter and rewriter != now.get("paraphrased_by"):
        raise PackingError(f"{target} has captions reworded by {rewriter}; {advice}")


def read_scores(out: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The scores of a folder and what they were made with.

    Raises:
        PackingError: There are none, or the file is not one of ours.
    """
    file = out / SCORES
    if not file.is_file():
        raise PackingError(f"{out} has no {SCORES}: annotate it first")
    provenance = stored_provenance(file)
    if provenance.get("kind") != "annotations":
        raise PackingError(f"{file} is not what `big annotate` writes")
    try:
        table = read_table(file, lists=("emotion_scores",))
        refuse_twice(table.column_names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PackingError(f"{file} cannot be read: {str(error).splitlines()[0]}") from None
    missing = [name for name in _schema({}).names if name not in table.column_names]
    if missing:
        raise PackingError(f"{file} has no column {missing[0]}")
    check_ids(table["id"], file)
    return table, provenance


def survives(caption: str, paraphrase: str) -> str:
    """Why a paraphrase does not say what the caption says; empty if it does.

    Names and levels are read back from both: each emotion stands behind a word for its intensity.
    A paraphrase that denies something, or has a term of the paper's (A.1) for an emotion that the
    caption does not name, is not taken.

    Example:
        >>> survives("The voice conveys faint awe.", "One hears a hint of awe here.")
        ''
        >>> survives("The voice conveys faint awe.", "One hears extreme awe here.")
        'Awe: level 4 for 1'
        >>> survives("The voice conveys faint awe.", "There is faint awe, and there is rage.")
        "it adds Anger: 'rage'"
    """
    try:
        said, meant = parse_caption(paraphrase), parse_caption(caption)
    except CaptionError as error:
        return str(error)
    for name, new, old in zip(EMOTION_NAMES, said.tolist(), meant.tolist(), strict=True):
        if new != old:
            return f"{name}: level {new} for {old}"
    text = " ".join(paraphrase.casefold().split()).replace(NOTHING, "")
    if denied := _DENIAL.search(text):
        return f"it denies: {denied[0]!r}"
    named = [emotion for emotion, level in zip(EMOTIONS, meant.tolist(), strict=True) if level]
    known = {term.casefold() for emotion in named for term in emotion.descriptors}
    for emotion in EMOTIONS:
        for term in {one.casefold() for one in emotion.descriptors} - known:
            if re.search(rf"\b{re.escape(term)}\b", text):
                return f"it adds {emotion.name}: {term!r}"
    return ""


def _caption(clip_id: str, judged: Judgement, norm: Norm | None) -> str:
    """The caption of a clip: the same words each time for the same clip and scores."""
    assert judged.scores is not None
    return make_caption(judged.scores, seed=list(clip_id.encode()), norm=norm)


def _row(
    clip: Mapping[str, Any],
    judged: Judgement,
    paraphrase: Callable[[str], tuple[str, str]] | None,
    norm: Norm | None,
) -> dict[str, Any]:
    row = {"id": clip["id"], "clip_id": clip["sha256"], "outcome": judged.outcome}
    row |= {"reason": judged.reason, "emotion_scores": judged.scores}
    if not judged.scores:
        return row | {"caption": None, "paraphrased": False}
    caption = _caption(clip["id"], judged, norm)
    if paraphrase is None:
        return row | {"caption": caption, "paraphrased": False}
    text, reason = paraphrase(clip["id"])
    reason = reason or survives(caption, text)
    row["reason"] = f"not paraphrased: {reason}" if reason else ""
    return row | {"caption": caption if reason else text, "paraphrased": not reason}


def _schema(provenance: Mapping[str, Any]) -> pa.Schema:
    columns = [(name, pa.string()) for name in ("id", "clip_id", "outcome", "reason")]
    columns += [("emotion_scores", pa.list_(pa.float32())), ("caption", pa.string())]
    columns += [("paraphrased", pa.bool_())]
    return pa.schema(columns, {METADATA_KEY: json.dumps(provenance, sort_keys=True)})


def head_name(label: str) -> str:
    """The name that a label is a spelling of, or nothing."""
    try:
        return resolve(str(label))
    except UnknownNameError:
        return ""
