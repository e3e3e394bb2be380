"""What the organisers see: how far the batch is, who did what, and how far the raters agree."""

from collections import Counter
from typing import Any

import gradio as gr
from annotation_project import Project

from dataset_scripts.agreement import (
    OVERALL,
    RatedItems,
    agreement_counts,
    alpha_by_emotion,
)
from dataset_scripts.annotations import AGREEMENT_TYPES, SCORES, open_seats

RATER_COLUMNS = ["rater", "gender", "answers", *(f"score {score}" for score in SCORES)]
ITEM_COLUMNS = ["items", "finished", "begun", "untouched", "ratings", "cannot be played"]
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
    """Answers of each rater and how they fall on the three scores."""
    genders = project.store.protocol.raters
    by_name: dict[str, Counter[int]] = {name: Counter() for name in genders}
    for ratings in project.store.ratings().values():
        for rating in ratings:
            by_name.setdefault(rating.rater, Counter())[rating.score] += 1
    return [
        [name, genders.get(name, "left"), scores.total(), *(scores[score] for score in SCORES)]
        for name, scores in by_name.items()
    ]


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
    columns = ["emotion", "items", *types, "α (Krippendorff)", "α (Cronbach)", "no α because"]
    rows: Table = []
    for name in sorted(counts, key=lambda name: (name != OVERALL, name)):
        alphas = (krippendorff[name], cronbach[name])
        # Of one item, Krippendorff's α is a number that says nothing.
        shown = [UNDEFINED if a.reason or a.n < 2 else f"{a.value:.2f}" for a in alphas]
        of_type = [counts[name].get(kind, 0) for kind in types]
        reason = cronbach[name].reason or krippendorff[name].reason
        rows.append([name, sum(counts[name].values()), *of_type, *shown, reason])
    return columns, rows


def admin_page(project: Project) -> gr.Blocks:
    """Three tables, a button that reads them anew, and one that downloads the export."""

    def read() -> tuple[Any, Any, Any]:
        columns, rows = agreement(project)
        return (
            overview(project),
            by_rater(project),
            gr.Dataframe(rows, headers=columns, datatype="str"),
        )

    page: gr.Blocks
    with gr.Blocks(title="Annotation: organisers", analytics_enabled=False) as page:
        gr.Markdown("# Annotation so far\nRaters never see this page. [Back](/)")
        # Names are text whatever is in them: no column is Markdown or HTML.
        shown = [
            gr.Dataframe(headers=ITEM_COLUMNS, datatype="str", label="Batch", interactive=False),
            gr.Dataframe(headers=RATER_COLUMNS, datatype="str", label="Raters", interactive=False),
            gr.Dataframe(datatype="str", label="Agreement so far", interactive=False),
        ]
        gr.Markdown(
            "Agreement is over items with two or more ratings: raters who found the emotion or "
            "its absence, as in the paper's Figure 1. Cronbach's α is of each item's first two "
            "ratings; Krippendorff's (ordinal) is of all."
        )
        with gr.Row():
            refresh = gr.Button("Refresh")
            gr.Button("Download finished items (Parquet)", link="/export.parquet")
        for trigger in (page.load, refresh.click):
            trigger(read, outputs=shown, api_visibility="private")
    return page
