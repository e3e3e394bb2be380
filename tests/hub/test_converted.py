"""`--model small` where the Hub has only loose pickles: offered, converted once, then used."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from rich.console import Console

from emonet_voice.cli import ready as cli_ready
from emonet_voice.hub import converted
from emonet_voice.hub.converted import ConvertedModelError, Plan
from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.loose_heads import LooseHeads
from modeling_empathic.taxonomy import ATTRIBUTES, EMOTION_NAMES, EMOTIONS
from tests.support.command import run_command
from tests.support.local_hub_fixture import HubClient
from tests.support.places import REPOSITORY
from tests.support.public_heads import POOLED, save_head
from tests.support.scoring_fakes import write_clip

SMALL = "laion/Empathic-Insight-Voice-Small"
HEADS = [*EMOTION_NAMES, ATTRIBUTES[0].name]


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """Small's public layout: a pickle a head, the 40 emotions (one of them full), one attribute."""
    folder = tmp_path_factory.mktemp("release") / "loose"
    folder.mkdir()
    for seed, head in enumerate((*EMOTIONS, ATTRIBUTES[0])):
        how = {} if head.stem == "Anger" else {"n_in": POOLED}
        save_head(folder, head.stem, seed=seed, **how)
    (folder / "README.md").write_text("# Loose heads\n")
    return folder


@pytest.fixture(scope="module")
def hub(release, whisper, tmp_path_factory):
    with LocalHub(tmp_path_factory.mktemp("hub")) as hub:
        hub.add("laion/BUD-E-Whisper", whisper, "model")
        hub.add(SMALL, release, "model")
        yield hub


class Shell:
    """The command in a process of its own, without a terminal; the folder of models can change."""

    def __init__(self, hub: LocalHub, home: Path):
        self.home = home
        self._client = HubClient(hub, home)
        self._client(
            "import sys; sys.path.insert(0, repository)\n"
            "from tests.support.command import run_command",
            repository=str(REPOSITORY),
        )

    def move(self, home: Path, *, offline: bool = False) -> None:
        """Uses the models of another home; what the Hub's own cache has stays."""
        self.home = home
        self._client(
            "from huggingface_hub import constants\n"
            "constants.HF_HOME, constants.HF_HUB_OFFLINE = home, offline",
            home=str(home), offline=offline,
        )  # fmt: skip

    def start(self, *arguments: object) -> None:
        self._client.start(f"result = run_command(*{[*map(str, arguments)]!r})")

    def wait(self) -> tuple[int, str, str]:
        return tuple(self._client.wait())

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.start(*arguments)
        return self.wait()

    def rows(self, *arguments: object) -> list[dict]:
        """Rows of `score --json`, which must end well."""
        code, out, err = self("score", *arguments, "--json")
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def process(hub, tmp_path_factory):
    shell = Shell(hub, tmp_path_factory.mktemp("home"))
    yield shell
    shell._client.close()


@pytest.fixture
def run(process, tmp_path):
    """The command where no model was converted yet."""
    process.move(tmp_path / "home")
    return process


@pytest.fixture(scope="module")
def ready(process, clip, tmp_path_factory):
    """A home where Small was converted, and what that said."""
    home = tmp_path_factory.mktemp("ready")
    process.move(home)
    code, _, err = process("score", clip, "--model", "small", "--yes")
    assert code == 0, err
    return home, err


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.wav")


def test_without_a_terminal_it_says_in_one_line_how(run, hub, clip):
    before = len(hub.requests)
    code, out, err = run("score", clip, "--model", "small")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{SMALL} holds only pickles: --yes converts 41 heads" in err
    assert "on disk" in err and pickles(hub, before) == []


def test_it_says_what_is_done_and_leaves_one_folder_and_no_pickles(ready):
    home, said = ready
    for word in ("heads     all 41", "download", "convert", "disk", "memory", "Converted"):
        assert word in said
    assert not list(home.rglob("*.pth")) and not list(home.rglob("download/*"))
    (folder,) = models_in(home)
    assert folder.name == "Empathic-Insight-Voice-Small" and folder.parent.name == "mixed"


def test_it_scores_as_a_folder_made_by_convert_and_is_not_converted_again(
    run, ready, hub, clip, release, whisper, tmp_path
):
    run.move(ready[0])
    before = len(hub.requests)
    (row,) = run.rows(clip, "--model", "small")
    assert pickles(hub, before) == []
    made = tmp_path / "made"
    assert run("convert", release, made, "--encoder", whisper, "--dtype", "mixed")[0] == 0
    (same,) = run.rows(clip, "--model", made)
    assert {name: row[name] for name in HEADS} == {name: same[name] for name in HEADS}


def test_a_score_file_names_the_repository_and_its_commit(run, ready, clip, tmp_path):
    import pyarrow.parquet as pq

    run.move(ready[0])
    file = tmp_path / "scores.parquet"
    assert run("score", clip, "--model", "small", "--output", file)[0] == 0
    about = json.loads(pq.read_schema(file).metadata[b"emonet_voice"])
    ask = f"from huggingface_hub import HfApi; result = HfApi().model_info({SMALL!r}).sha"
    assert (about["model"], about["revision"]) == (SMALL, run._client(ask))


def test_without_the_hub_what_was_converted_is_used(run, ready, clip):
    run.move(ready[0], offline=True)
    assert len(run.rows(clip, "--model", "small")) == 1
    code, _, err = run("score", clip, "--model", "large")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot load the model laion/Empathic-Insight-Voice-Large" in err


def test_some_heads_download_only_those(run, hub, clip):
    before = len(hub.requests)
    (row,) = run.rows(clip, "--model", SMALL, "--heads", "anger,awe", "--yes")
    assert pickles(hub, before) == ["model_Anger_best.pth", "model_Awe_best.pth"]
    assert {"Anger", "Awe"} <= set(row) and "Pain" not in row
    (again,) = run.rows(clip, "--model", SMALL, "--heads", "awe")  # which is there: nobody asks
    assert again["Awe"] == row["Awe"]
    here = {row["model"]: row["here"] for row in json.loads(run("models", "--json")[1])["models"]}
    assert here == {"nano": "built in", "small": "2 heads", "large": "no", "plus": "no"}


def test_a_folder_of_three_pickles_gets_the_same_offer_and_stays_as_it_is(
    run, clip, release, tmp_path
):
    folder = tmp_path / "mine"
    folder.mkdir()
    for stem in ("Awe", "Pain", "Pride"):
        shutil.copy(release / f"model_{stem}_best.pth", folder)
    before = sorted(path.name for path in folder.iterdir())
    code, _, err = run("score", clip, "--model", folder)
    assert code == 2 and "--yes converts 3 heads" in err
    code, _, err = run("score", clip, "--model", folder, "--yes")
    assert code == 0 and "has only 3 of the 40 emotions: Pride, Awe, Pain" in err
    assert sorted(path.name for path in folder.iterdir()) == before
    assert [path.name for path in models_in(run.home)] == ["mine"]
    assert len(run.rows(clip, "--model", folder)) == 1


def test_a_head_that_is_not_there_is_named_with_those_that_are(run, clip):
    code, _, err = run("score", clip, "--model", "small", "--heads", "valence,age", "--yes")
    assert code == 2 and "no head named 'Age'; nearest: Anger, Awe" in err


def test_two_at_a_time_convert_once(run, hub, clip):
    other, before = Shell(hub, run.home), len(hub.requests)
    try:
        for one in (run, other):
            one.start("score", clip, "--model", "small", "--heads", "awe,pain", "--yes", "--json")
        answers = [run.wait(), other.wait()]
    finally:
        other._client.close()
    assert [code for code, _, _ in answers] == [0, 0], answers
    assert answers[0][1] == answers[1][1]
    assert pickles(hub, before) == ["model_Awe_best.pth", "model_Pain_best.pth"]


def test_a_killed_run_leaves_no_model_and_what_it_downloaded(run, hub, clip, tmp_path):
    before = len(hub.requests)
    program = (
        "import sys, threading\n"
        "from emonet_voice.hub import converted\n"
        "def slow(name, done, total):\n"
        "    print('converting', name, flush=True); threading.Event().wait()\n"
        f"loose = converted.look_up({SMALL!r}, None)\n"
        "ignore = lambda *_: None\n"
        "converted.converted(loose, ['Awe', 'Pain'], 'auto', ask=ignore, on_wait=ignore,\n"
        "                    on_bytes=ignore, on_head=slow)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
        env={**os.environ, **hub.environment(run.home)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("converting")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert models_in(run.home) == [] and len(pickles(hub, before)) == 2
    assert len(run.rows(clip, "--model", "small", "--heads", "awe,pain", "--yes")) == 1
    assert len(pickles(hub, before)) == 2
    (folder,) = models_in(run.home)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_every_command_that_takes_a_model_offers_the_same(run, tmp_path, clip):
    """Each ends at the offer: nothing is downloaded, nothing else is wrong."""
    emodb, out = tmp_path / "emodb", tmp_path / "out.csv"
    write_clip(emodb / "wav" / "03a01Fa.wav")
    for arguments in (
        ["generalize", "--corpus", "emodb", "--root", emodb],
        ["train", "heads", "--data", clip.parent, "--output", tmp_path / "heads"],
        ["collect", "huggingface", "--clips", clip.parent, "--output", out],
        ["demo"],
    ):
        code, _, err = run(*arguments, "--model", "small")
        assert code == 2 and "--yes converts" in err, (arguments, err)


@pytest.mark.parametrize(
    "command",
    [
        ["score", "nowhere"],
        ["generalize", "--corpus", "emodb", "--root", "nowhere"],
        ["generalize", "--corpus", "iemocap", "--root", "."],
        ["train", "heads", "--data", "nowhere", "--output", "heads"],
        ["collect", "huggingface", "--clips", "nowhere", "--output", "out.csv"],
    ],
    ids=lambda command: " ".join(command),
)
def test_other_mistakes_are_found_before_anything_is_converted(run, hub, command):
    before = len(hub.requests)
    code, _, err = run(*command, "--model", "small", "--yes")
    assert code == 2 and ("nowhere" in err or "iemocap" in err)
    assert hub.requests[before:] == [] and models_in(run.home) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--window", "0.5"),
        ("--window", "31"),
        ("--hop", "40"),
        ("--aggregate", "median"),
        ("--speakers", "nowhere.rttm"),
        ("--norm", "mine"),
        ("--device", "cuda:99"),
        ("--dtype", "fp8"),
    ],
)
def test_what_no_model_could_do_is_refused_before_anything_is_converted(
    run, hub, clip, option, value
):
    before = len(hub.requests)
    code, out, err = run("score", clip, "--model", "small", "--yes", option, value)
    assert (code, out, err.count("\n")) == (2, "", 1) and value in err
    assert hub.requests[before:] == [] and models_in(run.home) == []


@pytest.mark.parametrize("model", ["medium", "./small", "no/such/folder"])
@pytest.mark.parametrize(
    "command",
    [
        ["score", "clips"],
        ["generalize", "--corpus", "emodb", "--root", "clips"],
        ["train", "heads", "--data", "clips", "--output", "heads"],
        ["demo"],
        ["convert", "out"],
    ],
    ids=lambda command: command[0],
)
def test_a_wrong_name_is_one_line_with_the_choices(command, model, clips):
    named = ["convert", model, "out"] if command[0] == "convert" else [*command, "--model", model]
    code, _, err = run_command(*named)
    assert code == 2 and err.count("\n") == 1
    assert f"model {model}: no such folder" in err and "nano, small, large, plus" in err


def test_a_folder_that_is_called_like_a_model_is_pointed_out(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    write_clip(tmp_path / "clip.wav")
    err = run_command("score", "clip.wav", "--model", "small")[2]
    assert "for your folder: --model ./small" in err


@pytest.fixture
def plan(tmp_path) -> Plan:
    loose = LooseHeads(SMALL, "c" * 40, False, {"a.pth": 300_000_000}, {"Awe": "a.pth"}, {})
    return Plan(loose, ["Awe"], "mixed", tmp_path / "model", 300_000_000, 150_000_000, 300_000_000)


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_it_asks_and_says_what_about(answer, quiet, plan, monkeypatch):
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    asked, file = [], io.StringIO()
    monkeypatch.setattr(typer, "confirm", lambda text, **how: asked.append(text) or answer)
    with nullcontext() if answer else pytest.raises(ConvertedModelError, match="nothing to load"):
        cli_ready._ask(plan, Console(file=file, width=200, quiet=quiet), yes=False)
    assert len(asked) == 1
    said = file.getvalue()
    assert "0.3 GB, about 24 s at 100 Mbit/s" in said and "0.5 GB until it is done" in said


def test_a_full_disk_is_said_before_anything_is_downloaded(plan, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**8))
    with pytest.raises(ConvertedModelError, match=r"needs 1\.5 GB .* has 0\.1 GB free; HF_HOME"):
        converted._check_room(plan, tmp_path)


def test_a_download_that_breaks_off_is_one_line(plan, monkeypatch, tmp_path):
    import huggingface_hub
    from huggingface_hub.errors import HTTPError

    def broken(*_, **__):
        raise HTTPError("connection reset")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", broken)
    monkeypatch.setattr(converted, "_encoder_files", dict)
    with pytest.raises(ConvertedModelError, match=r"not all of it came \(connection reset\)"):
        converted._download(plan.loose, plan.heads, tmp_path / "download", lambda n: None)


def models_in(home: Path) -> list[Path]:
    """Folders of converted models."""
    return sorted(path.parent for path in home.glob("emonet-voice/*/*/*/*/config.json"))


def pickles(hub: LocalHub, start: int) -> list[str]:
    """The heads' files that were downloaded since, sorted."""
    got = [request for request in hub.requests[start:] if request.startswith("GET")]
    return sorted(path.rsplit("/", 1)[1] for path in got if path.endswith("_best.pth"))
