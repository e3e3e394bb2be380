"""The EmoNet-Voice metric in a browser: a table of predictions and ratings in, figures out."""

from pathlib import Path
from typing import Any

import evaluate
import gradio as gr
from look import THEME, head, masthead

# Of the file beside this one, not of the Hub: the page shows the metric of its own repository.
METRIC = evaluate.load(str(Path(__file__).with_name("emonet_voice.py")))
COLUMNS = ["emotion", "prediction", "rating"]
EXAMPLE = [["Awe", 0.5, 0], ["Awe", 3.5, 2], ["Awe", 2.0, 1], ["Pain", 2.0, 1], ["Pain", 1.0, 0]]
FIGURES = ("mae", "rmse", "pearson", "spearman")
MAX_ROWS = 20_000

Table = list[list[Any]]


def compute(rows: Table, scale: str, rating_scale: str) -> tuple[Table, dict[str, Any]]:
    """Figures of a table.

    Args:
        rows: Emotion, prediction and rating.
        scale: Of the predictions: 0-10, 0-4, 0-1 or 0-2.
        rating_scale: Of the ratings: 0-10 or 0-2.
    """
    rows = [row for row in rows if any(cell not in ("", None) for cell in row)]
    if not 0 < len(rows) <= MAX_ROWS:
        raise gr.Error(f"{len(rows):,} rows; one to {MAX_ROWS:,} can be computed here")
    try:
        result = METRIC.compute(
            predictions=[None if row[1] in ("", None) else float(row[1]) for row in rows],
            references=[float(row[2]) for row in rows],
            emotions=[str(row[0]) for row in rows],
            scale=scale,
            reference_scale=rating_scale,
            n_resamples=200,
        )
    except (TypeError, ValueError) as error:
        raise gr.Error(str(error)) from None
    table = []
    for name in FIGURES:
        interval = result["intervals"][name]
        values = (result[name], interval["low"], interval["high"], result[f"macro_{name}"])
        table.append([name, *(f"{value:.3f}" for value in values)])
    return table, {name: result[name] for name in ("outcomes", "floors", "undefined")}


with gr.Blocks(title="EmoNet-Voice metric") as demo:
    gr.HTML(
        masthead(
            "EmoNet-Voice metric",
            "Predicted emotion intensities against human ratings. Paste rows, choose the scales, "
            "compute. Intervals are from 200 resamples here.",
        )
    )
    rows = gr.Dataframe(EXAMPLE, headers=COLUMNS, type="array", label="Rows")
    with gr.Row():
        scale = gr.Radio(["0-10", "0-4", "0-1", "0-2"], value="0-4", label="Scale of predictions")
        rating_scale = gr.Radio(["0-10", "0-2"], value="0-2", label="Scale of ratings")
    button = gr.Button("Compute", variant="primary")
    with gr.Column(visible=False) as results:
        figures = gr.Dataframe(
            headers=["figure", "pooled", "95 % from", "to", "mean over emotions"],
            label="Figures",
            interactive=False,
        )
        details = gr.JSON(label="Outcomes, floors, what is undefined")
    computed = button.click(compute, [rows, scale, rating_scale], [figures, details],
                            api_name="compute")  # fmt: skip
    computed.success(lambda: gr.Column(visible=True), None, results, api_visibility="private")

if __name__ == "__main__":
    demo.launch(theme=THEME, head=head(), ssr_mode=False)
