"""The card of a model that a user trained: what was measured, and on what."""

import math
from pathlib import Path
from typing import Any

from emonet_voice.hub.cards import write_card
from modeling_empathic.report.files import replacing
from modeling_empathic.report.tables import Section, as_markdown, number, plain


def figures(result: dict[str, Any]) -> list[Section]:
    """Tables of what heads reached on clips that did not teach them."""
    measured = result["measured"]
    clips = f"{measured['clips']} clips"
    if measured["by_speaker"]:
        clips += f" of {measured['speakers']} speakers, by heads that other speakers taught"
    elif measured["speakers"] is not None:
        clips += f" of {measured['speakers']} speakers, whom the heads may know from training"
    sections = []
    if "accuracy" in measured:
        rows = [
            [label, number(measured[name]), _span(measured[f"{name}_interval"])]
            for label, name in (("accuracy", "accuracy"), ("unweighted average recall", "uar"))
        ]
        rows.append(["accuracy of the most frequent class", number(measured["floor_accuracy"]), ""])
        tested = [any(line) for line in measured["confusion"]]
        chance = 1 / sum(tested) if any(tested) else math.nan
        rows.append(["unweighted average recall of any constant", number(chance), ""])
        sections.append(
            plain(
                f"{len(measured['classes'])} classes, {clips}",
                ["", "value", "95 % interval"], rows, *_notes(measured),
            )
        )  # fmt: skip
    rows = [
        [name, str(head["n"]), number(head["mae"]), number(head["floor_mae"]),
         number(_known(head["spearman"])), _of_spearman(head)]
        for name, head in measured["heads"].items()
    ]  # fmt: skip
    sections.append(
        plain(
            f"Heads, on {clips}",
            ["head", "clips", "MAE", "MAE of the median", "Spearman ρ", "95 % interval"], rows,
            _by_chance(measured) if rows and measured["clips"] else "Nothing was left to measure.",
        )
    )  # fmt: skip
    return sections


def write_training_card(folder: Path, result: dict[str, Any], config: Any) -> None:
    """Writes `README.md`; the folder can then be pushed as it is."""
    facts = {
        "result": result,
        "heads": config.head_names,
        "figures": as_markdown(figures(result)),
        "by_speaker": result["measured"]["by_speaker"],
    }
    with replacing(folder / "README.md") as temporary:
        temporary.write_text(write_card("trained.md.jinja", facts), "utf-8")


def _by_chance(measured: dict[str, Any]) -> str:
    """Heads whose scores rank clips no better than chance does."""
    heads = measured["heads"].items()
    poor = [name for name, head in heads if head["n"] and not _tells(head)]
    unit = "clips" if measured["speakers"] is None else "speakers"
    said = f"The floor of Spearman's ρ is 0; its interval is by {unit}."
    if not poor:
        return said
    return (
        f"{said} No better than chance: {', '.join(poor)}. More clips, or more epochs, may help; "
        "do not use them as they are."
    )


def _tells(head: dict[str, Any]) -> bool:
    low, _ = _interval(head)
    if math.isnan(low):  # of an older run, or of one speaker: as if clips were independent
        return _known(head["spearman"]) > 1.96 / math.sqrt(head["n"])  # NaN is not
    return low > 0


def _interval(head: dict[str, Any]) -> list[float]:
    return [_known(end) for end in head.get("spearman_interval") or (None, None)]


def _of_spearman(head: dict[str, Any]) -> str:
    ends = _interval(head)
    return "" if math.isnan(ends[0]) else _span(ends)


def _notes(measured: dict[str, Any]) -> list[str]:
    resampled = "clips" if measured["speakers"] is None else "speakers"
    few = measured["speakers"] is not None and measured["speakers"] < 20
    notes = [f"Intervals from resampled {resampled}{', widened as they are few' * few}."]
    tested = zip(measured["classes"], measured["confusion"], strict=True)
    if absent := [name for name, line in tested if not any(line)]:
        notes.append(f"No clip tested, and no part of the recall: {', '.join(absent)}.")
    if measured["by_speaker"]:
        notes.append("Speakers that the base model had met before make figures too good.")
    return notes


def _span(ends: list[float]) -> str:
    return f"{number(ends[0])} to {number(ends[1])}"


def _known(value: float | None) -> float:
    return math.nan if value is None else value
