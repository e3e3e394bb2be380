"""Every card: its blocks run, its links lead somewhere, its figures were measured."""

import json
import re
import shutil
from pathlib import Path

import pytest

from dataset_scripts.building.manifest import BuildError
from emonet_voice.hub.cards import card_of, python_blocks, write_card
from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.publish.facts import big_facts, repository_facts
from emonet_voice.hub.publish.rehearse import _environment, _run, _write_tone
from emonet_voice.hub.publish.stage import stage
from emonet_voice.hub.repositories import ROOT, PublishError, chosen, folder_of
from evaluate_metrics.bench.evaluation import write_result
from evaluate_metrics.emonet_voice import emonet_voice
from evaluate_metrics.published import published_table5
from modeling_empathic.scoring.loading import NANO_NAME, fingerprint
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.publish_maker import BENCH, BIG, METRIC, NANO, SMALL
from tests.support.results import METRICS, result

LARGE, PLUS = SMALL.replace("Small", "Large"), SMALL.replace("Small", "Plus")
DEMO = "empathic-insight-voice"
SPACES = (DEMO, "emonet-voice-annotation", "emonet-voice-leaderboard")
WRITTEN = (NANO, SMALL, LARGE, PLUS, BENCH, BIG, METRIC)
SECTIONS = (
    "## Use",
    "## What is in it",
    "## How it was made",
    "## How good ",
    "## What it must not be used for",
    "## Where the paper contradicts itself",
    "## Licence and citation",
)
# Says what it prints, and what stands under it as text is what it printed.
CHECKED = """
import contextlib, io
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    exec({block!r}, {{"__name__": "__main__"}})
assert printed.getvalue().strip() if {expected!r} is None else printed.getvalue() == {expected!r}
"""


@pytest.fixture(scope="module")
def given(sources, model_folder, tmp_path_factory):
    """A tiny model under each name, with a result of those weights, and a small Bench."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "models").mkdir()
    (folder / "results").mkdir()
    for name in (SMALL, LARGE, PLUS):
        (folder / "models" / name).symlink_to(model_folder)
    measured = result(SMALL, model=SMALL, revision=fingerprint(model_folder))
    write_result(measured, folder / "results" / "small.json")
    return sources._replace(models=folder / "models", results=folder / "results")


@pytest.fixture(scope="module")
def release(given, tmp_path_factory):
    """Everything but what waits, staged."""
    return stage(tmp_path_factory.mktemp("release") / "out", given)


@pytest.fixture(scope="module")
def read(release):
    """A function: name of a repository -> its folder, the metadata and the text of its card."""

    def read_one(name):
        folder = folder_of(release.folder, chosen([name])[0])
        return folder, *card_of(folder)

    return read_one


def test_the_python_blocks_of_every_card_run_and_print(release, read, tmp_path):
    (tmp_path / "empty").mkdir()
    _write_tone(tmp_path / "empty" / "clip.wav")
    calls = []
    with LocalHub(tmp_path / "hub") as hub:
        for row in release.repositories:
            folder, _, text = read(row.name)
            if row.role == "space":
                continue  # a block of a Space talks to it: below
            hub.add(f"laion/{row.name}", folder, row.kind)
            for number, block in enumerate(python_blocks(text)):
                after = text.partition(f"{block}```\n")[2]
                shown = re.match(r"\n```text\n(.*?)```", after, re.DOTALL)
                code = CHECKED.format(block=block, expected=shown and shown[1])
                calls.append((f"{row.name} {number}", code))
        environment = {**_environment(), **hub.environment(tmp_path / "home")}
        del environment["HF_TOKEN"]
        rows = list(_run(calls, environment, tmp_path / "empty", tmp_path / "log"))
    assert [row for row in rows if row["error"]] == []
    assert {call.split()[0] for call, _ in calls} == {*WRITTEN}


@pytest.mark.parametrize("name", SPACES)
def test_the_python_blocks_of_a_space_call_what_its_app_offers(read, name):
    folder, _, text = read(name)
    offered = set(re.findall(r'api_name="(\w+)"', (folder / "app.py").read_text()))
    for block in python_blocks(text):
        assert f'Client("laion/{name}")' in block
        assert set(re.findall(r'api_name="/(\w+)"', block)) <= offered


@pytest.mark.parametrize("name", [*WRITTEN, *SPACES])
def test_every_link_leads_to_a_repository_or_a_file_that_is_there(release, read, name):
    folder, metadata, text = read(name)
    known = {repository_facts(row, "laion")["url"] for row in release.repositories}
    addresses = re.findall(r"https://huggingface\.co/(?:datasets/|spaces/)?laion/[\w.-]*\w", text)
    assert {one for one in addresses if not one.endswith("/BUD-E-Whisper")} <= known
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (folder / target).is_file(), target
    space = f"https://huggingface.co/spaces/laion/{DEMO}/resolve/main/"
    for widget in metadata.get("widget", []):
        assert widget["src"].startswith(space)
        assert (read(DEMO)[0] / widget["src"].removeprefix(space)).is_file()


@pytest.mark.parametrize("name", [SMALL, LARGE, PLUS, BENCH, METRIC])
def test_a_card_tells_what_a_reader_needs_in_order(read, name):
    _, metadata, text = read(name)
    headings = re.findall(r"^## .*", text, re.MULTILINE)
    if name in (SMALL, LARGE, PLUS):
        assert headings.pop(2) == "## Fine-tune"
    assert len(headings) == len(SECTIONS)
    for heading, wanted in zip(headings, SECTIONS, strict=True):
        assert heading.startswith(wanted)
    assert "arxiv:2506.09827" in metadata["tags"]
    assert len(python_blocks(text)[0].splitlines()) <= 12


@pytest.mark.parametrize("name", [*WRITTEN, *SPACES])
def test_every_card_states_the_limits_and_how_to_cite(read, name):
    _, _, text = read(name)
    assert "Article 5(1)(f)" in text and "ecisions about people" in text
    assert "@misc{schuhmann2025emonetvoice" in text or "## Citation" in text


@pytest.mark.parametrize("name", [*WRITTEN, *SPACES])
def test_tables_fit_a_phone(read, name):
    _, _, text = read(name)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line: line.replace("\\|", "").count("|") - 1 for line in lines}
    assert all(width <= 8 for width in widths.values()), max(widths, key=widths.__getitem__)


# Figures -----------------------------------------------------------------------------------------


def test_measured_figures_have_their_interval_and_floor_and_only_in_the_model_measured(read):
    _, _, text = read(SMALL)
    measured = METRICS["good"]
    low, high = (measured["intervals"]["mae"][end] for end in ("low", "high"))
    floor = min(of["mae"] for of in [*measured["floors"].values(), METRICS["bad"]])
    assert (
        f"| MAE, pooled | {measured['mae']:.3f} | {low:.3f} to {high:.3f} | {floor:.3f} |" in text
    )
    assert "Intervals: bootstrap of 60 rows." in text and "60 of 60 rows" in text
    for other in (LARGE, PLUS):
        assert "have not been measured by us" in read(other)[2]


@pytest.mark.parametrize("name", [SMALL, BENCH, METRIC])
def test_published_figures_are_the_papers_and_are_called_so(read, name):
    _, _, text = read(name)
    for row in published_table5():
        figures = f"{row['pearson']:.3f} | {row['mae']:.3f} |"
        assert figures in text
    assert "**Published, not measured here**" in text


def test_emotions_without_a_value_are_those_with_a_slash():
    slashed = repository_facts(chosen([SMALL])[0], "laion")["published"]["slashed"]
    assert slashed == [name for name in EMOTION_NAMES if "/" in name] and len(slashed) == 7


@pytest.mark.parametrize("name", [NANO, SMALL, LARGE, PLUS])
def test_figures_of_other_weights_fail_the_build(given, tmp_path, name):
    model = NANO_NAME if name == NANO else name
    measured = result(name, model=model, revision="sha256:00")
    write_result(measured, tmp_path / "other.json")
    with pytest.raises(PublishError, match=r"other.json is of other weights \(sha256:00\)"):
        stage(tmp_path / "out", given._replace(results=tmp_path), only=[name])


def test_figures_of_an_edited_bench_fail_the_build(given, tmp_path):
    shutil.copytree(given.bench, tmp_path / "bench")
    with next((tmp_path / "bench" / "ratings").iterdir()).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BuildError, match="is not the file that was built"):
        stage(tmp_path / "out", given._replace(bench=tmp_path / "bench"), only=[BENCH])


def test_figures_of_the_metric_are_of_its_code(monkeypatch):
    """They are computed while the card is written."""
    import evaluate_metrics.emonet_voice as core

    compute = core.compute
    monkeypatch.setattr(core, "compute", lambda **rows: compute(**rows) | {"mae": 0.125})
    facts = repository_facts(chosen([METRIC])[0], "laion")
    assert "\n0.125 " in write_card("metric.md.jinja", facts)


def test_the_columns_of_bench_are_all_described(read):
    _, metadata, text = read(BENCH)
    columns = [column["name"] for column in metadata["dataset_info"][0]["features"]]
    assert [name for name in columns if f"`{name}`" not in text] == []


def test_the_card_of_big_has_the_hours_and_the_columns_of_this_very_data(read, sources):
    _, metadata, text = read(BIG)
    manifest = json.loads((sources.big / "manifest.json").read_text())
    assert f"{manifest['counts']['clips']} clips" in text
    columns = [column["name"] for column in metadata["dataset_info"][0]["features"]]
    assert [name for name in columns if f"`{name}`" not in text] == []
    assert metadata["language"] == ["de", "en", "es", "fr"]
    assert "| German (de) | 3 |" in text and "Spoken by espeak-ng" in text


def test_a_name_like_a_heading_is_no_table_of_bigs_card(sources):
    sums = json.loads((sources.big / "manifest.json").read_text())["statistics"]
    named = sums | {"annotator": {"imported from a ### b.csv": [1, 1000]}}
    titles = [title for title, _ in big_facts({"statistics": named})["statistics"]]
    assert titles == [title for title, _ in big_facts({"statistics": sums})["statistics"]]
    assert titles[-1] == "Annotators"


def test_there_is_one_citation():
    from dataset_scripts.corpora.bench import EmoNetVoiceBench

    shown = (ROOT / "cards" / "citation.md.jinja").read_text()
    assert shown == f"```bibtex\n{EmoNetVoiceBench.FACTS['citation'].strip()}\n```\n"
    assert emonet_voice._CITATION in shown


def test_every_template_is_listed():
    listed = (ROOT / "cards" / "README.md").read_text()
    for template in Path(ROOT, "cards").glob("*.jinja"):
        assert f"`{template.name}`" in listed
