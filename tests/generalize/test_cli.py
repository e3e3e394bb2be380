"""`emonet-voice generalize` at the command line: what is printed, and which code is returned."""

import json
import subprocess
import sys

import pytest

from tests.support.command import run_command
from tests.support.generalize_maker import emodb_folder, forty_heads, labelled_folder
from tests.support.places import REPOSITORY


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return forty_heads(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return emodb_folder(tmp_path_factory.mktemp("corpora") / "emodb")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return labelled_folder(tmp_path_factory.mktemp("labelled") / "mine")


def run(*arguments):
    """The exit code, stdout and stderr."""
    return run_command("generalize", *arguments)


def test_it_prints_tables_and_writes_result_and_pictures(corpus, model, tmp_path):
    code, printed, _ = run(
        "--corpus", "emodb", "--root", corpus, "--model", model,
        "--output", tmp_path / "result.json", "--plots", tmp_path / "plots",
    )  # fmt: skip
    assert code == 0
    assert "EmoDB, 12 clips of 535" in printed
    assert "always anger" in printed
    assert json.loads((tmp_path / "result.json").read_text())["kind"] == "generalization"
    (picture,) = (tmp_path / "plots").iterdir()
    assert picture.name == "confusion-1-tiny.png"
    assert picture.stat().st_size > 10_000


def test_json_is_json_and_markdown_is_tables(corpus, model):
    arguments = ("--corpus", "emodb", "--root", corpus, "--model", model)
    assert json.loads(run(*arguments, "--json")[1])["rows"][0]["system"] == "tiny"
    assert run(*arguments, "--markdown")[1].startswith("### EmoDB")


def test_a_failed_clip_gives_code_1(model, tmp_path):
    root = emodb_folder(tmp_path / "emodb")
    (root / "03a01Wa.wav").write_bytes(b"no audio")
    assert run("--corpus", "emodb", "--root", root, "--model", model)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--corpus", "iemocap", "--root", "."],
            "unknown corpus 'iemocap'; choose from emodb, nemo",
        ),
        (["--corpus", "emodb", "--root", "nowhere"], "nowhere: no such folder"),
        (["--corpus", "emodb"], "say where it is, emodb=DIR"),
        (["--corpus", "emodb=.", "--root", "."], "--root and --labels are for one corpus"),
        (["--corpus", "emodb=.", "--corpus", "emodb=."], "--corpus emodb is there twice"),
        (["--corpus", "emodb=.", "--corpus", "nemo="], "--corpus nemo=: NAME, or NAME=DIR"),
        ([], "--corpus is missing"),
        (["--corpus", "ravdess", "--root", "EMODB"], "is not a name of RAVDESS speech"),
        (["--corpus=emodb=EMODB", "--baseline"], "tiny has no reference_scores.json"),
        (["--corpus=emodb=EMODB", "--supervised", "no"], "no: a Whisper checkpoint is needed"),
        (["--corpus", "emodb=LABELLED"], "has labels.csv: to use what it says, name the corpus"),
        (["--root", "EMODB", "--labels", "{speaker}"], "is no pattern: it has {label}"),
        (["--root", "EMODB", "--labels", "{label}", "--classes", "A"], "A: WORD=CLASS, such as"),
        (
            [
                "--root",
                "EMODB",
                "--labels",
                "{}{label:1}{:1}",
                "--classes",
                "W=anger,F=joy",
                "--acoustic",
            ],
            "has one speaker, or none is known: what is taught",
        ),
        (["--json", "--markdown"], "choose --json or --markdown"),
        (["--output", "result.csv"], "choose a .json file in a folder that exists"),
        (["--states-cache", "a.json"], "choose an .npz file in a folder"),
    ],
)
def test_what_a_user_gets_wrong_is_said_and_the_code_is_2(
    corpus, labelled, model, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    given = [
        argument.replace("EMODB", str(corpus)).replace("LABELLED", str(labelled))
        for argument in arguments
    ]
    code, printed, said = run("--model", model, *given)
    assert (code, printed) == (2, "")
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert message in said
    assert list(tmp_path.iterdir()) == []


def test_a_pattern_of_paths_is_a_corpus_and_what_it_leaves_out_is_on_the_screen(corpus, model):
    code, printed, _ = run(
        "--root", corpus, "--labels", "{speaker:2}{:3}{label:1}{}", "--classes", "W=anger,F=joy",
        "--model", model,
    )  # fmt: skip
    assert code == 0
    assert "Left out: label 'T': 2" in " ".join(printed.split())


def test_several_corpora_and_a_folder_with_a_csv_are_one_table_and_one_picture(
    corpus, model, tmp_path
):
    mine = labelled_folder(tmp_path / "mine")
    code, printed, _ = run(
        "--corpus", f"emodb={corpus}", "--corpus", f"mine={mine}", "--model", model,
        "--output", tmp_path / "result.json", "--plots", tmp_path / "plots",
    )  # fmt: skip
    assert code == 0
    assert "Across corpora: UAR, % [95 %], of anger, sadness" in printed
    assert max(map(len, printed.splitlines())) <= 80
    result = json.loads((tmp_path / "result.json").read_text())
    assert list(result["rows"]) == list(result["corpora"]) == ["emodb", "mine"]
    assert (tmp_path / "plots" / "corpora.png").stat().st_size > 10_000


def test_help_shows_examples_without_heavy_imports():
    code = (
        "import sys; sys.argv = ['emonet-voice']\n"
        "import typer\n"
        "from typer.testing import CliRunner\n"
        "from emonet_voice.cli.generalize import generalize\n"
        "app = typer.Typer(); app.command()(generalize)\n"
        "result = CliRunner().invoke(app, ['--help'])\n"
        "assert result.exit_code == 0 and 'Example' in result.output, result.output\n"
        "heavy = {'datasets', 'pyarrow', 'torch', 'transformers', 'sklearn', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
