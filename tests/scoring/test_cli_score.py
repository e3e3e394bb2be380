"""The command `emonet-voice score`, from its arguments to its exit code."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyarrow import parquet

from emonet_voice.cli import app as cli
from modeling_empathic.scoring import loading
from modeling_empathic.scoring.file import read_provenance, read_scores
from tests.support.places import REPOSITORY
from tests.support.scoring_fakes import HEADS, fake_loader
from tests.support.servers import wait_until
from tests.support.tiny import tiny_model

LOAD_MODEL = loading.load_model
START = "import sys; import emonet_voice.cli.app as cli; "
FAKE = (
    "from modeling_empathic.scoring import loading; "
    "from tests.support.scoring_fakes import fake_loader; "
    "loading.load_model = fake_loader({})"
)


@pytest.fixture(autouse=True)
def fake_model(monkeypatch):
    """No test loads a model unless it says so."""
    monkeypatch.setattr(loading, "load_model", fake_loader())


@pytest.fixture
def real_model(fake_model, monkeypatch):
    """But this one does."""
    monkeypatch.setattr(loading, "load_model", LOAD_MODEL)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a real model, small and random; one head is from outside the taxonomy."""
    from transformers import WhisperFeatureExtractor

    folder = tmp_path_factory.mktemp("tiny")
    heads = [{"name": name, "kind": "pooled"} for name in (*HEADS, "Breathiness_v2")]
    tiny_model(heads).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return str(folder)


def command(code, *arguments, **options):
    """A process that runs the command after some Python code of the test's."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    program = [sys.executable, "-c", START + code + "; cli.main()", *arguments]
    return subprocess.Popen(program, env=environment, **options)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(clips):
    arguments = ["score", "clips", "--output", "x.parquet", "--batch-size", "2"]
    process = command(FAKE.format("block_at=4"), *arguments)
    journal = Path("x.parquet.partial")

    def wrote_two_groups():
        assert process.poll() is None
        return journal.exists() and journal.read_bytes().count(b"\n") >= 3

    wait_until(wrote_two_groups, "two groups of five")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not Path("x.parquet").exists() and journal.read_bytes().count(b"\n") < 6
    assert cli.run(arguments) == 0
    Path("x.parquet").rename("resumed.parquet")
    assert cli.run(arguments) == 0
    assert Path("x.parquet").read_bytes() == Path("resumed.parquet").read_bytes()
    assert not journal.exists()


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(clips, monkeypatch, capsys):
    monkeypatch.setattr(loading, "load_model", fake_loader(stop_at=3))
    arguments = ["score", "clips", "-o", "x.csv", "--batch-size", "2"]
    assert cli.run(arguments) == 130
    stopped = "stopped: 4 clips are kept; run the same command to go on\n"
    assert capsys.readouterr().err.endswith(stopped)
    monkeypatch.setattr(loading, "load_model", fake_loader())
    assert cli.run(arguments) == 0
    assert "10 clips" in (out := capsys.readouterr().out) and "4 scored before" in out


def test_the_table_ends_with_what_was_done(clips, capsys):
    Path(clips[3]).write_bytes(b"not audio")
    assert cli.run(["score", "clips", "--output", "x.csv"]) == 1
    out = capsys.readouterr().out
    assert "✗ clips/3.wav: " in out
    assert out.splitlines()[-1].startswith("10 clips, 4.5 s of audio, ")
    assert out.splitlines()[-1].endswith("quality). Written to x.csv, scores from 0 to 4")
    assert "clips/s, 1 failed, 9 doubtful" in out.splitlines()[-1]  # noise is no speech
    assert cli.run(["score", "clips", "--output", "x.csv"]) == 1  # still failed, not forgotten
    assert "10 scored before, 1 failed" in capsys.readouterr().out


def test_nothing_moves_on_the_screen_when_it_is_not_a_terminal(clips, capsys):
    assert cli.run(["score", "clips"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("Model: Nano") and captured.err.count("\n") == 2
    assert "--model small" in captured.err
    assert "\x1b" not in captured.out + captured.err and "Scoring" not in captured.err


def test_quiet_prints_nothing(clips, capsys):
    assert cli.run(["score", "clips", "--quiet", "-o", "x.csv"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("output", [[], ["-o", "x.jsonl"]])
def test_json_prints_the_rows_of_a_jsonl_score_file(clips, capsys, output):
    assert cli.run(["score", "clips", "--json", *output]) == 0
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert [row["path"] for row in rows] == clips and rows[0]["Anger"] > 0
    assert "10 clips" in captured.err
    assert cli.run(["score", "clips", "--quiet", "-o", "y.jsonl"]) == 0
    assert captured.out == Path("y.jsonl").read_text()


def test_paths_come_from_stdin_globs_and_arguments_together(clips, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("clips/7.wav\n\nclips/8.wav\n"))
    assert cli.run(["score", "-", "clips/[12].wav", "clips/8.wav", "--json"]) == 0
    paths = [json.loads(line)["path"] for line in capsys.readouterr().out.splitlines()]
    assert paths == ["clips/7.wav", "clips/8.wav", "clips/1.wav", "clips/2.wav"]


def test_one_bad_line_of_a_list_is_a_row_and_the_rest_are_scored(clips, monkeypatch, capsys):
    listed = SimpleNamespace(
        buffer=io.BytesIO(b'\xef\xbb\xbf"clips/7.wav"\r\ngone.wav\r\nclips/8.wav ')
    )
    monkeypatch.setattr(sys, "stdin", listed)
    assert cli.run(["score", "-", "--json"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["path"] for row in rows] == ["clips/7.wav", "gone.wav", "clips/8.wav"]
    assert [row["outcome"] for row in rows] == ["scored", "decode_error", "scored"]


def test_files_that_are_passed_over_are_counted_and_named(clips, capsys):
    for name in ("a.pdf", "b.docx", "c.docx"):
        Path("clips", name).touch()
    assert cli.run(["score", "clips", "--json"]) == 0
    assert "files passed over: .docx 2, " in capsys.readouterr().err


def test_an_address_says_that_it_is_not_read(clips, capsys):
    assert cli.run(["score", "hf://datasets/a/b.wav"]) == 2
    assert "addresses are not read: hf://datasets/a/b.wav" in capsys.readouterr().err


def test_heads_in_any_spelling_become_the_columns(clips, real_model, tiny):
    arguments = ["--heads", "awe, pleasure_ecstasy,, Awe", "--heads", "Breathiness_v2"]
    assert cli.run(["score", clips[0], "--model", tiny, "-o", "x.parquet", *arguments]) == 0
    heads = ["Awe", "Pleasure/Ecstasy", "Breathiness_v2"]
    assert parquet.read_table("x.parquet").column_names[5:-3] == heads
    assert read_provenance(Path("x.parquet"))["heads"] == heads


def test_overwrite_starts_again_with_other_provenance(clips, capsys):
    assert cli.run(["score", "clips", "-o", "x.csv"]) == 0
    assert cli.run(["score", "clips", "-o", "x.csv", "--heads", "Awe"]) == 2
    assert "heads Anger, Pleasure/Ecstasy and Awe, now Awe" in capsys.readouterr().err
    assert cli.run(["score", "clips", "-o", "x.csv", "--heads", "Awe", "--overwrite"]) == 0
    assert "Anger" not in read_scores(Path("x.csv")).column_names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.wav"], "no such file or folder: nowhere.wav"),
        (["empty"], "no audio found in empty"),
        (["clips", "-o", "x.xlsx"], ".parquet, .jsonl, .csv"),
        (["clips", "-o", "no/x.csv"], "there is no folder no"),
        (["clips", "--overwrite"], "--overwrite needs --output"),
        (["clips", "--top", "0"], "--top"),
        (["clips", "--batch-size", "0"], "--batch-size"),
        (["clips", "--nonsense"], "--nonsense"),
        (["clips", "--device", "tpu"], "auto, cpu"),
        (["clips", "--dtype", "int4"], "auto, float32, bfloat16, float16, mixed"),
        (["clips", "--model", "./nowhere"], "./nowhere: no such folder"),
        (["clips", "--model", "nowhere"], "not a Hub id (owner/name)"),
        (["clips", "--model", "empty"], "empty: the folder has no config.json"),
        (["clips", "--model", "clips", "--revision", "v1"], "revision is for models on the Hub"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(clips, real_model, capsys, arguments, message):
    Path("empty").mkdir()
    assert cli.run(["score", *arguments]) == 2
    captured = capsys.readouterr()
    *note, error = captured.err.splitlines()
    assert error.startswith("error: ") and message in error and captured.out == ""
    assert not note or (len(note) == 2 and note[0].startswith("Model: Nano"))
    assert not list(Path().glob("*.partial"))


def test_an_unknown_head_is_answered_with_the_nearest_of_the_model(clips, real_model, tiny, capsys):
    assert cli.run(["score", "clips", "--model", tiny, "--heads", "Awe,angr"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no head named 'angr'; nearest") and error.count("\n") == 1
    assert "Anger" in error


def test_a_fault_of_the_program_keeps_its_traceback(clips, monkeypatch):
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: int("no number"))
    with pytest.raises(ValueError, match="no number"):
        cli.run(["score", "clips"])


def test_scoring_needs_no_package_beyond_the_core(tmp_path):
    """What `pip install .` gives is enough: the extras are hidden here."""
    program = (
        "import sys\n"
        "hidden = {'accelerate', 'matplotlib', 'espeakng_loader', 'evaluate', 'gradio'}\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in hidden:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: (\n"
        "    None if name.split('.')[0] in hidden else find(name, package))\n"
        "from emonet_voice.cli.app import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    clip = REPOSITORY / "examples" / "clips" / "de_anger.flac"
    arguments = ["score", str(clip), "--output", str(tmp_path / "scores.csv"), "--quiet"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", ["typer", "modeling_empathic", "torch"])
def test_ctrl_c_while_python_still_imports_is_no_traceback(name, clips):
    code = (
        "class Stop:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {name!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())"
    )
    process = command(f"exec({code!r})", "score", "clips", "--quiet")
    out, err = process.communicate()
    assert (process.returncode, out, err.strip()) == (130, "", "")


def test_help_and_version_need_none_of_the_heavy_libraries():
    report = (
        "import atexit; atexit.register(lambda: print(sorted({'torch', 'transformers', 'pyarrow', "
        "'numpy', 'librosa', 'datasets', 'huggingface_hub'} & set(sys.modules)), file=sys.stderr))"
    )
    for arguments in (["--help"], ["score", "--help"], ["convert", "--help"], ["--version"]):
        process = command(report, *arguments)
        out, err = process.communicate()
        assert (process.returncode, err) == (0, "[]\n")
        assert "Example" in out or out.startswith("emonet-voice ")


def test_a_reader_that_has_seen_enough_is_no_traceback(clips):
    reader, writer = os.pipe()
    os.close(reader)
    process = command(FAKE.format(""), "score", "clips", "--json", stdout=writer)
    os.close(writer)
    assert "Traceback" not in process.communicate()[1]
    assert process.returncode == 1


def test_help_shows_every_word_of_every_command(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("score", "convert"):
        assert cli.run([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert "[bold]" not in text and "`" not in text and "…" not in text
        assert "--overwrite <bool>" not in " ".join(text.split())
    assert "model_*_best.pth" in text


def test_a_real_model_scores_from_its_folder_the_same_twice(clips, real_model, tiny):
    for output in ("a.parquet", "b.parquet"):
        assert cli.run(["score", *clips[:3], "--model", tiny, "-o", output]) == 0
    assert Path("a.parquet").read_bytes() == Path("b.parquet").read_bytes()
    provenance = read_provenance(Path("a.parquet"))
    assert provenance["revision"] == loading.fingerprint(Path(tiny))
    assert (provenance["device"], provenance["dtype"]) == ("cpu", "float32")
    assert provenance["scales"]["Anger"] == [0.0, 4.0] and provenance["windows"]["window_s"] == 30
    assert cli.run(["score", clips[0], "--model", tiny, "--heads", "awe", "-o", "c.csv"]) == 0
    one, three = read_scores(Path("c.csv")), read_scores(Path("a.parquet"))
    assert one["Awe"][0].as_py() == pytest.approx(three["Awe"][0].as_py(), abs=1e-5)


def test_a_damaged_model_and_a_head_it_lacks_are_one_line(clips, real_model, tiny, capsys):
    assert cli.run(["score", clips[0], "--model", tiny, "--heads", "Shame"]) == 2
    assert "Shame" in (error := capsys.readouterr().err) and error.count("\n") == 1
    broken = Path("broken")
    broken.mkdir()
    for file in Path(tiny).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes(b"\x00" * 99)
    assert loading.fingerprint(broken) != loading.fingerprint(Path(tiny))
    assert cli.run(["score", clips[0], "--model", "broken"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot load the model broken: ") and error.count("\n") == 1


@pytest.mark.skipif(not (loading.NANO / "config.json").exists(), reason="no embedded model")
def test_the_embedded_model_scores_without_an_option(clips, real_model):
    assert cli.run(["score", clips[0], "-o", "x.parquet"]) == 0
    provenance = read_provenance(Path("x.parquet"))
    assert provenance["model"] == loading.NANO_NAME and len(provenance["heads"]) >= 40
