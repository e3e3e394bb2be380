"""Items an organiser should hear: raters who differ, flags, comments, clips that do not play."""

from html import escape
from statistics import median
from typing import NamedTuple

from annotation_project import Project
from rating_store import Answer

MOST_SHOWN = 50


class Entry(NamedTuple):
    """An item with what is odd about it."""

    item: str
    reasons: list[str]
    answers: list[Answer]


def queue(project: Project) -> list[Entry]:
    """What has not been reviewed, most reasons first; gold items are not among them."""
    store = project.store
    answers: dict[str, list[Answer]] = {item: [] for item in store.items}
    for answer in store.answers():
        if answer.item in answers:
            answers[answer.item].append(answer)
    unplayable, seen = store.unplayable(), store.reviewed()
    entries = []
    for item, given in answers.items():
        scores = [answer.score for answer in given]
        reasons = []
        if scores and max(scores) - min(scores) == 2:
            reasons.append("raters differ by 2")
        elif scores and min(scores) == 0 < max(scores):
            reasons.append("raters differ on presence")
        reasons += [f"{a.rater}: {flag}" for a in given for flag in a.hearing.flags]
        reasons += [f"{a.rater} wrote: {a.hearing.comment}" for a in given if a.hearing.comment]
        reasons += [f"{rater} cannot play it" for rater in unplayable.get(item, ())]
        if reasons and item not in seen:
            entries.append(Entry(item, reasons, given))
    return sorted(entries, key=lambda entry: -len(entry.reasons))[:MOST_SHOWN]


def label_of(project: Project, item: str) -> str:
    """An item as organisers know it."""
    return f"{project.batch[item].clip.name}, {project.batch[item].emotion}"


def queue_html(project: Project, entries: list[Entry]) -> str:
    """The queue as a table with a player each; whatever people wrote is text."""
    if not entries:
        return "<p>Nothing is waiting.</p>"
    rows = ""
    for entry in entries:
        seconds = [a.hearing.answer_s for a in entry.answers if a.hearing.answer_s is not None]
        scores = ", ".join(f"{answer.rater} {answer.score}" for answer in entry.answers)
        name = label_of(project, entry.item)
        rows += (
            f'<tr><th scope="row">{escape(name)}</th>'
            f'<td class=words><audio controls preload="none" src="/review/{escape(entry.item)}" '
            f'aria-label="{escape(name)}"></audio></td>'
            f"<td class=words>{escape(scores)}</td>"
            f"<td>{f'{median(seconds):.1f}' if seconds else '–'}</td>"
            f"<td class=words>{escape('; '.join(entry.reasons))}</td></tr>"
        )
    heads = (
        '<th scope="col">Item</th><th scope="col" class=words>Hear</th><th scope="col" class=words>'
        'Scores</th><th scope="col">Seconds to answer</th><th scope="col" class=words>Why</th>'
    )
    return (
        '<div class="admin" tabindex="0" role="region" aria-label="Items to review"><table><thead>'
        f"<tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
