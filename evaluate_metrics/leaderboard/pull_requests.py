"""What has to be asked of others before the Hub shows results: texts that are ready to send.

Results on the Hub are pull requests to model repositories (`.eval_results/`), so that only models
with a repository appear there; systems behind an API are on our own leaderboard alone. The data set
has to be on the Hub's list of benchmarks, and its `evaluation_framework` has to be an id that
huggingface.js knows (`packages/tasks/src/eval.ts`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluate_metrics.leaderboard.hub_files import ENTRIES, TASKS, eval_yaml, hub_model
from modeling_empathic.report.files import replacing

TEXT = "PULL_REQUEST.md"
FRAMEWORK = {
    "name": "emonet-voice",
    "description": (
        "Agreement of a model's intensities of 40 emotions in a voice with experts' ratings"
    ),
    "url": "https://huggingface.co/spaces/laion/emonet_voice",
}


def write_pull_requests(table: dict[str, Any], folder: str | Path) -> list[Path]:
    """Writes `huggingface.js/PULL_REQUEST.md`, and one text beside each model's files.

    Args:
        table: Of [`evaluate_metrics.leaderboard.merge.merge`].
        folder: That `hub_files.write_hub_files` wrote to.

    Returns:
        The files.
    """
    folder = Path(folder)
    texts = {folder / "huggingface.js" / TEXT: framework_text()}
    by_model: dict[str, list[dict[str, Any]]] = {}
    for row in table["rows"]:
        if model := hub_model(row):
            by_model.setdefault(model, []).append(row)
    for model, rows in by_model.items():
        place = folder / "models" / model.replace("/", "--")
        texts[place / TEXT] = model_text(model, rows, place)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(text, "utf-8")
    return list(texts)


def framework_text() -> str:
    """The pull request to huggingface.js that makes our framework's id known.

    Example:
        >>> '"emonet-voice": {' in framework_text()
        True
    """
    lines = "\n".join(f'\t\t{name}: "{value}",' for name, value in FRAMEWORK.items())
    tasks = ", ".join(f"`{task['id']}`" for task in eval_yaml()["tasks"][: len(TASKS)])
    return f"""# Add the evaluation framework emonet-voice

To: huggingface/huggingface.js, `packages/tasks/src/eval.ts`

    \t"{FRAMEWORK["name"]}": {{
{lines}
    \t}},

EmoNet-Voice Bench (`laion/emonet-voice-bench`, arXiv 2506.09827) has an `eval.yaml` that names this
framework. Its metric is a Space ({FRAMEWORK["url"]}) and a Python package; a figure can be made
again with `emonet-voice evaluate --model MODEL --bench laion/emonet-voice-bench`.

Tasks: {tasks}, and the same on two other configurations. All are correlations: higher is better.

Please also put `laion/emonet-voice-bench` on the list of benchmarks.
"""


def model_text(model: str, rows: Sequence[dict[str, Any]], place: Path) -> str:
    """The pull request to a model's repository, with the command that opens it.

    Args:
        model: Its id.
        rows: Of the leaderboard.
        place: The folder with its files.
    """
    lines = []
    for row in rows:
        failed = row["rows"] - row["scored"]
        lines += [
            f"- {row['benchmark']}: Spearman's ρ {row['spearman']:.3f} pooled, "
            f"{row['macro_spearman']:.3f} as the mean over emotions; model revision "
            f"{row['revision']}; {failed:,} of {row['rows']:,} rows without a score."
        ]
    return f"""# Add results on EmoNet-Voice Bench

To: {model}

    hf upload {model} {place.as_posix()}/{ENTRIES.parent} {ENTRIES.parent} --create-pr

This adds `{ENTRIES.as_posix()}`, which the Hub shows on this model's page and on that of the data
set. Figures with 95 % intervals, by emotion, and with every kind of failure are on the leaderboard.

{chr(10).join(lines)}

Measured with `emonet-voice evaluate --model {model} --bench laion/emonet-voice-bench`. If you find
a figure wrong, say so here, or close this.
"""
