"""What the organisers see: how far the batch is, how raters agree, what to review."""

from collections import defaultdict
from html import escape
from statistics import mean, median
from typing import Any

import gradio as gr
from annotation_project import Project
from look import masthead
from rating_store import Answer
from review_queue import label_of, queue, queue_html

from dataset_scripts.agreement import (
    OVERALL,
    RatedItems,
    agreement_counts,
    alpha_by_emotion,
)
from dataset_scripts.annotations import AGREEMENT_TYPES, SCORES, open_seats

RATER_COLUMNS = [
    "Rater", "Gender", "Answers", *(f"Score {score}" for score in SCORES), "Agrees with the others",
    "Above them by", "Seconds to answer", "Plays an item", "Gold items right", "Flags",
]  # fmt: skip
ITEM_COLUMNS = ["Items", "Finished", "Begun", "Untouched", "Ratings", "Cannot be played"]
WORDS = ("Gender", "No α because")  # columns of text; the others are figures
UNDEFINED = "–"

Table = list[list[Any]]


def overview(project: Project) -> Table:
    """One row: items, how many are finished, begun, untouched, and the ratings so far."""
    store = project.store
    ratings = store.ratings()
    finished = sum(
        not open_seats(item, given, store.protocol) for item, given in ratings.items() if given
    )
    begun = sum(map(bool, ratings.values())) - finished
    untouched = len(ratings) - finished - begun
    n_ratings = sum(map(len, ratings.values()))
    return [[len(ratings), finished, begun, untouched, n_ratings, len(store.unplayable())]]


def by_rater(project: Project) -> Table:
    """What each rater answered, how that fits the others' answers, how long it took, gold items.

    Agreement is about presence (a score of 1 or 2) on items that others have rated too, against
    their majority; where the others are split, the item does not count.
    """
    store = project.store
    answers: dict[str, list[Answer]] = {name: [] for name in store.protocol.raters}
    for answer in store.answers():
        answers.setdefault(answer.rater, []).append(answer)
    ratings = store.ratings()
    rows: Table = []
    for name, given in answers.items():
        rated = [answer for answer in given if answer.item in ratings]
        same, above = [], []
        for answer in rated:
            others = [r.score for r in ratings[answer.item] if r.rater != name]
            found = sum(score > 0 for score in others)
            if others:
                above.append(answer.score - mean(others))
            if 2 * found != len(others):
                same.append((answer.score > 0) == (2 * found > len(others)))
        gold = [a.score in store.gold[a.item] for a in given if a.item in store.gold]
        heard = [answer.hearing for answer in given if answer.hearing.plays is not None]
        scores = [answer.score for answer in rated]
        rows.append([
            name, store.protocol.raters.get(name, "left"), len(scores),
            *(scores.count(score) for score in SCORES),
            f"{100 * mean(same):.0f} % of {len(same)}" if same else UNDEFINED,
            _signed(f"{mean(above):+.2f}") if above else UNDEFINED,
            f"{median(h.answer_s or 0 for h in heard):.1f}" if heard else UNDEFINED,
            f"{mean(h.plays or 0 for h in heard):.1f}" if heard else UNDEFINED,
            f"{sum(gold)} of {len(gold)}" if gold else UNDEFINED,
            sum(len(h.flags) for h in heard),
        ])  # fmt: skip
    return rows


def _signed(number: str) -> str:
    return number.replace("-", "−")


def times(project: Project) -> dict[str, str]:
    """Median seconds to an answer by emotion, all of them under `OVERALL`."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for answer in project.store.answers():
        if answer.hearing.answer_s is not None and not project.batch[answer.item].gold:
            for name in (OVERALL, project.batch[answer.item].emotion):
                seconds[name].append(answer.hearing.answer_s)
    return {name: f"{median(values):.1f}" for name, values in seconds.items()}


def agreement(project: Project) -> tuple[list[str], Table]:
    """Items of each agreement type (Figure 1) and both α, by emotion, all items first.

    Items with one rating say nothing about agreement and are left out. α is blank where it is
    undefined; the last column says why.
    """
    items = RatedItems.of(
        (project.batch[item].emotion, ratings)
        for item, ratings in project.store.ratings().items()
        if len(ratings) > 1
    )
    counts = agreement_counts(items)
    types = [name for name in AGREEMENT_TYPES if name in counts[OVERALL]]
    cronbach = alpha_by_emotion(items, n_resamples=0)
    krippendorff = alpha_by_emotion(items, "krippendorff")
    taken = times(project)
    columns = ["Emotion", "Items", *types, "α (Krippendorff)", "α (Cronbach)", "Seconds to answer",
               "No α because"]  # fmt: skip
    rows: Table = []
    for name in sorted(counts, key=lambda name: (name != OVERALL, name)):
        alphas = (krippendorff[name], cronbach[name])
        # Of one item, Krippendorff's α is a number that says nothing.
        shown = [
            UNDEFINED if a.reason or a.n < 2 else f"{a.value:.2f}".replace("-", "−") for a in alphas
        ]
        of_type = [counts[name].get(kind, 0) for kind in types]
        reason = cronbach[name].reason or krippendorff[name].reason
        rows.append([name, sum(counts[name].values()), *of_type, *shown,
                     taken.get(name, UNDEFINED), reason])  # fmt: skip
    return columns, rows


def admin_page(project: Project) -> gr.Blocks:
    """Three tables, the review queue, and a button that downloads the export."""

    def read() -> tuple[Any, ...]:
        columns, rows = agreement(project)
        waiting = queue(project)
        choices = [(label_of(project, entry.item), entry.item) for entry in waiting]
        return (
            table(ITEM_COLUMNS, overview(project)),
            table(RATER_COLUMNS, by_rater(project)),
            table(columns, rows),
            queue_html(project, waiting),
            gr.Dropdown(choices=choices, value=choices[0][1] if choices else None),
            "",
        )

    def done(item: str | None, note: str) -> tuple[Any, ...]:
        if item in project.batch:
            project.store.review(item, note[:500])
        return read()

    page: gr.Blocks
    with gr.Blocks(title="Annotation: organisers", analytics_enabled=False) as page:
        gr.HTML(masthead("Annotation so far", "Raters never see this page."))
        with gr.Row(elem_classes="tools"):
            refresh = gr.Button("Refresh", scale=0)
            gr.Button("Download finished items (Parquet)", link="/export.parquet", scale=0)
            gr.Button("To the start", link="/", scale=0)
        gr.Markdown("## Batch")
        batch = gr.HTML()
        gr.Markdown("## Raters")
        raters = gr.HTML()
        gr.Markdown("## Agreement by emotion")
        emotions = gr.HTML()
        gr.Markdown(
            "Agreement is over items with two or more ratings: raters who found the emotion or "
            "its absence, as in the paper's Figure 1. Cronbach's α is of each item's first two "
            "ratings; Krippendorff's (ordinal) is of all. Times are medians."
        )
        gr.Markdown("## To review")
        waiting = gr.HTML()
        with gr.Row(elem_classes="tools"):
            item = gr.Dropdown([], label="Item")
            note = gr.Textbox(label="Note", max_length=500)
            reviewed = gr.Button("Mark as reviewed", scale=0)
        shown = [batch, raters, emotions, waiting, item, note]
        for trigger in (page.load, refresh.click):
            trigger(read, outputs=shown, api_visibility="private")
        reviewed.click(done, [item, note], shown, api_visibility="private")
    return page


def table(columns: list[str], rows: Table) -> str:
    """A table; names are text, whatever is in them."""
    kinds = [" class=words" if name in WORDS else "" for name in columns]
    heads = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>'
        for kind, name in zip(kinds, columns, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(str(first))}</th>'
        + "".join(
            f"<td{kind}>{escape(str(cell))}</td>"
            for kind, cell in zip(kinds[1:], cells, strict=True)
        )
        + "</tr>"
        for first, *cells in rows
    )
    return (
        '<div class="admin" tabindex="0" role="region" aria-label="Table"><table><thead><tr>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )
