"""The EmoNet-Voice metric in a browser: rows of predictions and ratings in, figures out."""

import csv
import re
from html import escape
from pathlib import Path
from typing import Any

import evaluate
import gradio as gr
from look import THEME, WORDS, head, masthead

HERE = Path(__file__).parent
# Of the file beside this one, not of the Hub: the page shows the metric of its own repository.
METRIC = evaluate.load(str(HERE / "emonet_voice.py"))
EXAMPLE = """emotion,prediction,rating
Awe,0.5,0
Awe,3.5,2
Awe,2.0,1
Pain,2.0,1
Pain,1.0,0
"""
FIGURES = {"mae": "MAE", "rmse": "RMSE", "pearson": "Pearson r", "spearman": "Spearman ρ"}
MAX_ROWS = 20_000
MAX_CHARS = 2_000_000

Row = tuple[str, float | None, float]


def read_rows(text: str) -> list[Row]:
    """Emotion, prediction and rating of each line; a first line of names is passed over.

    Raises:
        ValueError: What is wrong, with the number of the line.
    """
    lines = text.strip().splitlines()
    first = 2 if lines and re.match(r"\s*emotion\s*[,\t]", lines[0], re.I) else 1
    rows: list[Row] = []
    dialect = "excel-tab" if "\t" in text else "excel"  # as tables are pasted
    for number, cells in enumerate(csv.reader(lines[first - 1 :], dialect), first):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != 3:
            raise ValueError(f"line {number} has {len(cells)} values; needed are 3")
        emotion, prediction, rating = (cell.strip() for cell in cells)
        of = _value(prediction, number) if prediction else None
        rows.append((emotion, of, _value(rating, number)))
    if not 0 < len(rows) <= MAX_ROWS:
        raise ValueError(f"{len(rows):,} rows; one to {MAX_ROWS:,} can be computed here")
    return rows


def _value(cell: str, line: int) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"line {line}: {cell!r:.50} is not a number") from None


def compute(rows: str, scale: str, rating_scale: str) -> dict[str, Any]:
    """Computes the figures of a table: pooled with 95 % intervals, and as means over emotions.

    Args:
        rows: Lines of emotion, prediction and rating, with commas or tabs between them; a
            prediction may be empty.
        scale: Of the predictions: 0-10, 0-4, 0-1 or 0-2.
        rating_scale: Of the ratings: 0-10 or 0-2.
    """
    try:
        given = read_rows(rows)
        result: dict[str, Any] = METRIC.compute(
            predictions=[prediction for _, prediction, _ in given],
            references=[rating for _, _, rating in given],
            emotions=[emotion for emotion, _, _ in given],
            scale=scale,
            reference_scale=rating_scale,
            n_resamples=200,
        )
    except (TypeError, ValueError, csv.Error) as error:
        raise gr.Error(escape(str(error)), duration=None, print_exception=False) from None
    return result


def show(rows: str, scale: str, rating_scale: str) -> str:
    """The figures for the page, with floors, outcomes and why a figure is missing."""
    result = compute(rows, scale, rating_scale)
    lines = []
    for name, words in FIGURES.items():
        interval = result["intervals"][name]
        own = f"{_number(interval['low'])} to {_number(interval['high'])}"
        lines.append([words, _number(result[name]), own, _number(result[f"macro_{name}"])])
    heads = ["Figure", "Over all rows", "95 % interval", "Mean of emotions"]
    floors = [
        [escape(name.replace("_", " ")), *(_number(of[figure]) for figure in FIGURES)]
        for name, of in result["floors"].items()
    ]
    counts = [[name.replace("_", " "), f"{n:,}"] for name, n in result["outcomes"].items()
              if isinstance(n, int) and n]  # fmt: skip
    missing = "".join(
        f"<li>{escape(name)}: {escape(str(why))}</li>" for name, why in result["undefined"].items()
    )
    drawn = result["intervals"]["bootstrap"]
    return (
        _table("Figures", heads, lines)
        + f"<p>Of {result['outcomes']['used']:,} rows; intervals from {drawn['n_resamples']:,} "
        "bootstrap resamples of them, as if rows were independent.</p>"
        + "<h2>What is reached without hearing</h2>"
        + _table("Floors", ["Floor, over all rows", *FIGURES.values()], floors)
        + "<h2>What became of the rows</h2>"
        + _table("Outcomes", ["Outcome", "Rows"], counts)
        + (f"<h2>What is undefined</h2><ul>{missing}</ul>" if missing else "")
    )


def _table(label: str, heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f'<th scope="col">{words}</th>' for words in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    return (
        f'<div class="figures" role="region" aria-label="{label}" tabindex="0"><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.3f}".replace("-", "−")


with gr.Blocks(title="EmoNet-Voice metric") as demo:
    gr.HTML(
        masthead(
            "EmoNet-Voice metric",
            "Predicted emotion intensities against human ratings. Paste rows, choose the scales, "
            "compute. MAE and RMSE are on 0 to 10; intervals are from 200 resamples here.",
        )
    )
    rows = gr.Textbox(
        EXAMPLE,
        lines=8,
        max_lines=16,
        max_length=MAX_CHARS,
        label="Rows: emotion, prediction, rating; a prediction may be empty",
    )
    with gr.Row():
        scale, rating_scale = (
            gr.Radio([(name.replace("-", " to "), name) for name in names], value=usual,
                     label=label, min_width=320)
            for names, usual, label in (
                (("0-10", "0-4", "0-1", "0-2"), "0-4", "Scale of predictions"),
                (("0-10", "0-2"), "0-2", "Scale of ratings"),
            )
        )  # fmt: skip
    button = gr.Button("Compute", variant="primary")
    figures = gr.HTML()
    with gr.Row(visible=False):  # for the API
        answer, ask = gr.JSON(), gr.Button()
    inputs = [rows, scale, rating_scale]
    done = button.click(show, inputs, figures, api_visibility="private")
    done.failure(lambda: "", None, figures, queue=False, api_visibility="private")
    ask.click(compute, inputs, answer, api_name="compute")

if __name__ == "__main__":
    demo.launch(theme=THEME, i18n=WORDS, css_paths=HERE / "page.css", head=head(), ssr_mode=False)
