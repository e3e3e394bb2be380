"""`emonet-voice collect` at the command line: what is printed, written, and which code comes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evaluate_metrics.adapters.systems import IMPORTS, SYSTEMS
from evaluate_metrics.bench import reader as bench_reader
from tests.support.adapter_fakes import make_clips, provenance_of, rows_of
from tests.support.command import run_command
from tests.support.fake_api import chat, chat_error, fake_api
from tests.support.places import REPOSITORY
from tests.support.servers import wait_until

pytest.importorskip("openai")

ROOT = REPOSITORY


def collect(*arguments):
    """The exit code, stdout and stderr."""
    return run_command("collect", *arguments)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with three clips, a key, and a Bench that has the same clips."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-the-command-line")
    Path("clips").mkdir()
    for n, (_, audio) in enumerate(make_clips(3)):
        Path(f"clips/{n}.wav").write_bytes(audio)
    monkeypatch.setattr(bench_reader, "iter_audio", lambda *where: iter(make_clips(3)))


def test_it_asks_about_a_bench_and_goes_on_where_it_was():
    asks = ["gpt-4o-audio", "--bench", "a/bench", "--output", "out.parquet", "--workers", 1]
    with fake_api(chat()) as api:
        code, printed, _ = collect(*asks, "--limit", 2, "--base-url", api.url)
        assert (code, len(api.requests)) == (0, 2)
        assert printed.startswith("2 clips, 80 of 80 scores. Written to out.parquet")
        code, printed, _ = collect(*asks, "--base-url", api.url)
        assert (code, len(api.requests)) == (0, 3)
        assert "3 clips, 2 answered before, 120 of 120 scores" in printed
    assert {row["clip_id"] for row in rows_of("out.parquet")} == {clip for clip, _ in make_clips(3)}
    assert provenance_of("out.parquet")["bench"]["source"] == "a/bench"


def test_a_folder_of_clips_needs_no_bench_and_json_is_json():
    with fake_api(chat("I'm sorry, I can't."), chat()) as api:
        arguments = ["--clips", "clips", "-o", "out.jsonl", "--workers", 1, "--json"]
        code, printed, _ = collect("gpt-4o-audio", *arguments, "--base-url", api.url)
    counts = json.loads(printed)
    assert code == 1
    assert (counts["clips"], counts["failed"], counts["outcomes"]["refused"]) == (3, 1, 40)
    assert len(Path("out.jsonl").read_text().splitlines()) == 120


def test_a_key_that_is_not_accepted_is_one_line_and_code_2():
    with fake_api(chat_error(401, "Incorrect API key: canary-of-the-command-line")) as api:
        arguments = ["--clips", "clips", "-o", "out.parquet", "--base-url", api.url]
        code, printed, said = collect("gpt-4o-audio", *arguments)
    assert code == 2
    assert "HTTP 401: the key in OPENAI_API_KEY was not accepted" in said
    assert "canary" not in printed + said
    assert not Path("out.parquet").exists()


def test_results_of_others_are_imported():
    Path("in.csv").write_text("clip_id,emotion,score\na,awe,0.7\na,glee,1\n")
    arguments = ["--results", "in.csv", "--scale", "0-1", "-o", "out.parquet"]
    code, printed, _ = collect("csv-import", *arguments)
    assert code == 0
    assert "1 clips, 1 of 40 scores, 39 unmapped, 1 unknown labels (such as 'glee')" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt5", "--clips", "clips"], "unknown system 'gpt5'; choose from gpt-4o-audio, gpt-4o-m"),
        (["gpt-4o-audio"], "name the clips: --bench DIR|ID or --clips DIR"),
        (["gpt-4o-audio", "--clips", "clips", "--bench", "b"], "name the clips"),
        (["gpt-4o-audio", "--clips", "clips", "--scale", "0-4"], "scale is not for gpt-4o-audio"),
        (["gpt-4o-audio", "--clips", "clips", "--results", "x"], "--results is not for gpt-4o"),
        (["huggingface", "--clips", "clips"], "huggingface needs a model"),
        (["hume", "--clips", "clips"], "set HUME_API_KEY"),
        (["csv-import"], "csv-import needs --results"),
        (["csv-import", "--results", "x.csv", "--model", "m"], "--model is not for csv-import"),
        (["csv-import", "--results", "x.txt"], "choose a file that ends in .csv"),
    ],
)
def test_what_a_user_gets_wrong_is_said_and_the_code_is_2(arguments, message, monkeypatch):
    monkeypatch.delenv("HUME_API_KEY", raising=False)
    code, _, said = collect(*arguments, "--output", "out.parquet")
    assert code == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert message in said
    assert not Path("out.parquet").exists()


def test_stopped_it_says_that_answers_are_kept(monkeypatch):
    def clips(*where):
        yield make_clips(1)[0]
        wait_until(lambda: [*Path("out.parquet.answers").rglob("*.json")], "an answer that is kept")
        raise KeyboardInterrupt

    monkeypatch.setattr(bench_reader, "iter_audio", clips)
    with fake_api(chat()) as api:
        arguments = ["--bench", "b/b", "-o", "out.parquet", "--base-url", api.url]
        code, _, said = collect("gpt-4o-audio", *arguments)
    assert code == 130
    assert "stopped: answers are kept; run the same command to go on" in said
    assert len(list(Path("out.parquet.answers").rglob("*.json"))) == 1


def test_help_names_every_system_and_shows_examples_without_heavy_imports():
    code = (
        "import sys; sys.argv = ['emonet-voice']\n"
        "import typer\n"
        "from typer.testing import CliRunner\n"
        "from emonet_voice.cli.collect import collect\n"
        "app = typer.Typer(); app.command('collect')(collect)\n"
        "result = CliRunner().invoke(app, ['--help'])\n"
        "assert result.exit_code == 0 and 'Example' in result.output, result.output\n"
        "heavy = {'datasets', 'pyarrow', 'torch', 'transformers', 'openai', 'google', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "print(result.output)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for system in (*SYSTEMS, *IMPORTS):
        assert system in done.stdout
