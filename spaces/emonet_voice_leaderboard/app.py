"""The leaderboard of EmoNet-Voice (arXiv 2506.09827): systems against experts' ears.

    EMONET_LEADERBOARD=folder python app.py        # without it, the table beside this file

`leaderboard`, `by_emotion` and `comparison` return numbers, and are the tools that MCP clients see.
Filters, sorting and a system's page are the browser's work; their state is in the address.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import gradio as gr
import pairs
import submission
from board import BoardError, load, main_benchmark, on
from contradictions import contradictions
from look import THEME, WORDS, head, masthead
from markup import section, text
from page import whole_page
from systems import ACCESS

from modeling_empathic.taxonomy import UserError

HERE = Path(__file__).parent
TITLE = "EmoNet-Voice leaderboard"
LINE = "How well systems agree with psychology experts on 40 emotions in a voice."
IN_ADDRESS = """(a, b) => {
    const state = new URLSearchParams(location.search);
    state.set("a", a); state.set("b", b);
    history.replaceState(null, "", `?${state}`);
    return [a, b];
}"""
SPACE = os.environ.get("SPACE_ID", "")
SUBMIT = """1. Score the clips. A model of this family: `emonet-voice score`, or in one go
   `emonet-voice evaluate --model ORG/NAME --bench laion/emonet-voice-bench`. Anything else: a
   file with the columns `clip_id`, `emotion`, `score` and `outcome` (Parquet, JSONL or CSV).
2. Evaluate at a fixed revision, and write the result:

   ```sh
   emonet-voice evaluate scores.parquet --bench laion/emonet-voice-bench \\
       --revision COMMIT --system NAME --output name.json
   ```

   `--vs other.parquet` adds a paired comparison with another system, which is then shown here.
3. Give `name.json` to the box below: it is checked at once, and comes back as a pull request that
   is ready to be sent. Maintainers look at it and write the table anew.
4. For a model on the Hub, `emonet-voice leaderboard name.json --output board/` also writes
   `board/models/ORG--NAME/.eval_results/emonet-voice-bench.yaml`: add it to the model's repository
   and the Hub shows the result there. Only models and benchmarks at a commit become entries.

Results are what their authors computed. Link the prediction file in the pull request, so that
others can compute them again. An uploaded file is deleted within an hour."""


def as_message(error: BoardError) -> gr.Error:
    """A user's mistake as a message, in the page and through the API."""
    return gr.Error(text(error), duration=None, print_exception=False)


def leaderboard(benchmark: str) -> list[dict[str, Any]]:
    """Lists the systems on one benchmark: figures with 95 % intervals, ranks, outcomes, floors.

    Args:
        benchmark: Name of the benchmark. Figures of different ones must not be compared.
    """
    return [{"label": label, **row} for label, row in on(BOARD, benchmark).items()]


def by_emotion(system: str) -> dict[str, Any]:
    """Gives one system's Spearman's ρ with raters for each of 40 emotions.

    Args:
        system: Label of the system in the table.
    """
    if system not in BOARD.rows:
        raise as_message(BoardError(f"there is no system {system!r:.200}"))
    return BOARD.by_emotion(system)


def comparison(a: str, b: str) -> dict[str, Any]:
    """Compares two systems: paired where that has been computed, else side by side.

    Args:
        a: Label of the one system.
        b: Label of the other.
    """
    try:
        return pairs.compare(BOARD, a, b)
    except BoardError as error:
        raise as_message(error) from error


def show_comparison(a: str, b: str) -> str:
    """The comparison for the page."""
    return pairs.shown(comparison(a, b))


def pair_of_address(request: gr.Request) -> tuple[str, str, str]:
    """The two systems that the address names; those of the start where it names none."""
    a, b = (request.query_params.get(name, "") for name in "ab")
    chosen = (a, b) if a in BOARD.rows and b in BOARD.rows and a != b else PAIR
    return *chosen, pairs.shown(pairs.compare(BOARD, *chosen)) if len(LABELS) > 1 else ""


def check_result(file: str | None, access: str, parameters: Any, link: str) -> str:
    """Says whether a result can be added, and writes its pull request."""
    if file is None:
        return ""
    try:
        checked = submission.check(BOARD, file)
        request = submission.ready(checked, submission.said(access, parameters, link), SPACE)
    except UserError as error:
        return section(
            f'<p class="lead refused">This cannot be added: {text(error)}</p>'
            '<p class="note">Write the file with emonet-voice evaluate … --output name.json.</p>'
        )
    return submission.shown(checked, request, BOARD)


def left_out() -> str:
    """What could not be read, as text."""
    lines = "".join(f"<li>{text(problem)}</li>" for problem in BOARD.left_out)
    return section(f'<p class="note">Left out:</p><ul class="note">{lines}</ul>')


try:
    BOARD = load(os.environ.get("EMONET_LEADERBOARD") or HERE / "data")
except BoardError as error:
    sys.exit(f"error: {error}")
LABELS = list(BOARD.rows)
FIRST = main_benchmark(BOARD)
TOP = [*on(BOARD, FIRST), *LABELS]
PAIR = next(iter(BOARD.comparisons), (TOP[0], next((n for n in TOP if n != TOP[0]), TOP[0])))

with gr.Blocks(title=TITLE, delete_cache=(600, 3600)) as demo:
    gr.HTML(masthead(TITLE, LINE))
    gr.HTML(whole_page(BOARD, FIRST, SPACE))
    with gr.Column(elem_classes="list-only"):
        gr.Markdown("## Two systems", elem_id="two")
        with gr.Row():
            first = gr.Dropdown(LABELS, value=PAIR[0], label="A", min_width=280)
            second = gr.Dropdown(LABELS, value=PAIR[1], label="B", min_width=280)
        compared = gr.HTML()
        gr.Markdown("## Known contradictions of the paper\n" + contradictions())
        gr.Markdown("## Submit\n" + SUBMIT)
        with gr.Row():
            access = gr.Dropdown(
                [("not said", ""), *((words, name) for name, words in ACCESS.items())],
                value="",
                label="How others get the system",
            )
            parameters = gr.Textbox(label="Parameters, in millions (if public)", max_length=12)
            link = gr.Textbox(label="Link to it (https)", max_length=300)
        upload = gr.File(
            label="Result of emonet-voice evaluate (JSON)", file_types=[".json"], height=140
        )
        checked = gr.HTML()
        if BOARD.left_out:
            gr.HTML(left_out())
        gr.Markdown(
            "Paper, data, metric: [EmoNet-Voice, arXiv 2506.09827]"
            "(https://arxiv.org/abs/2506.09827). Agreement with raters on acted, synthetic speech; "
            "it does not show that a system reads minds, and is no licence to decide anything "
            "about people."
        )
    with gr.Row(visible=False):  # for the API: functions without a place on the page
        system = gr.Dropdown(LABELS, value=LABELS[0])
        numbers = gr.JSON()
        named = gr.Textbox(FIRST, label="benchmark")
        buttons = [gr.Button() for _ in range(3)]

    page: dict[str, Any] = {"api_visibility": "undocumented", "queue": False}
    for chosen in (first, second):
        chosen.input(
            show_comparison, [first, second], compared, api_name="show_comparison", js=IN_ADDRESS,
            **page,
        )  # fmt: skip
    demo.load(pair_of_address, None, [first, second, compared], api_visibility="private")
    form = [upload, access, parameters, link]
    upload.change(check_result, form, checked, api_name="check_result", **page)
    for field in form[1:]:
        field.change(check_result, form, checked, api_visibility="private", queue=False)
    buttons[0].click(leaderboard, named, numbers, api_name="leaderboard")
    buttons[1].click(by_emotion, system, numbers, api_name="by_emotion")
    buttons[2].click(comparison, [first, second], numbers, api_name="comparison")

if __name__ == "__main__":
    demo.queue(max_size=64).launch(
        theme=THEME,
        i18n=WORDS,
        css_paths=HERE / "page.css",
        head=head((HERE / "page.js").read_text("utf-8")),
        max_file_size=submission.LARGEST_BYTES,
        mcp_server=importlib.util.find_spec("mcp") is not None,
        ssr_mode=False,
        show_error=True,
    )
