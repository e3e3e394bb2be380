"""`emonet-voice train encoder`, as a user types it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from datasets import DatasetDict

from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.command import run_command
from tests.support.places import REPOSITORY
from tests.support.tiny_whisper import made_clips, wav

SHORT = ("--window-s", 1, "--steps", 2, "--batch", 2, "--save-steps", 2, "--device", "cpu",
         "--learning-rate", "1e-3", "--workers", 0)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Four clips with a CSV of forty scores."""
    lines = ["file_name," + ",".join(EMOTION_NAMES)]
    random = np.random.default_rng(0)
    for index in range(4):
        clip = tmp_path / "clips" / f"{index}.wav"
        clip.parent.mkdir(exist_ok=True)
        clip.write_bytes(wav(random.standard_normal(8_000) * 0.1))
        lines.append(f"{index}.wav," + ",".join(str((i + index) % 5) for i in range(40)))
    (clip.parent / "metadata.csv").write_text("\n".join(lines))
    return clip.parent


def train(data, output, model, *options):
    return run_command("train", "encoder", data, output, "--model", model, *SHORT, *options)


def test_a_folder_with_a_csv_trains_an_encoder(folder, tiny_whisper, tmp_path):
    output = tmp_path / "encoder"
    code, out, err = train(
        folder, output, tiny_whisper, "--eval-split", "train", "--eval-clips", 1
    )  # fmt: skip
    assert code == 0, err
    assert "levels read back from 1 captions" in out
    record = json.loads((output / "training_args.json").read_text())
    assert record["data"]["source"]["name"] == "clips"
    assert (record["data"]["train"]["rows"], record["data"]["evaluation"]["rows"]) == (3, 1)
    assert str(tmp_path) not in json.dumps(record)


def test_the_result_can_be_json(tiny_whisper, tmp_path):
    DatasetDict({"train": made_clips(4), "test": made_clips(2, 1)}).save_to_disk(tmp_path / "data")
    for options in ((), ("--streaming",)):
        output = tmp_path / f"encoder{len(options)}"
        code, out, err = train(tmp_path / "data", output, tiny_whisper, "--json", *options)
        assert code == 0, err
        assert json.loads(out)["step"] == 2


def test_acted_speech_is_made_for_it(tiny_whisper, tmp_path):
    code, _, err = train("acted", tmp_path / "out", tiny_whisper, "--acted-clips", 1)
    assert code == 0, err
    record = json.loads((tmp_path / "out" / "training_args.json").read_text())
    assert record["data"]["train"]["rows"] == 40
    assert record["data"]["source"]["name"] == "acted"


def test_a_clip_that_cannot_be_read_is_told_and_is_exit_code_1(folder, tiny_whisper, tmp_path):
    (folder / "2.wav").write_bytes(b"no audio")
    code, _, err = train(
        folder, tmp_path / "out", tiny_whisper, "--eval-split", "train", "--eval-clips", 1
    )  # fmt: skip
    assert code == 1
    assert "not read: " in err and "2.wav" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "dev"], "Should be one of ['train']"),
        (["--eval-split", "train", "--eval-clips", "1", "--window-s", "40"], "window_s=40"),
        (["--eval-split", "train"], "holding out 500 leaves none"),
        (["--eval-split", "train", "--eval-clips", "1", "--log", "wandb"], "log='wandb'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(folder, tiny_whisper, tmp_path, options, message):
    code, _, err = train(folder, tmp_path / "out", tiny_whisper, *options)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_column_that_is_missing_is_one_line(folder, tiny_whisper, tmp_path):
    file = folder / "metadata.csv"
    file.write_text(file.read_text().replace(",Awe,", ",Ape,"))
    code, _, err = train(
        folder, tmp_path / "out", tiny_whisper, "--eval-split", "train", "--eval-clips", 1
    )  # fmt: skip
    assert code == 2
    assert "1 of the 40 emotions have none of their own: Awe" in err


def test_a_trackio_log_stays_on_this_machine(folder, tiny_whisper, tmp_path):
    pytest.importorskip("trackio")
    logs = tmp_path / "logs"
    done = subprocess.run(
        [sys.executable, "-m", "emonet_voice.cli.app", "train", "encoder", folder, tmp_path / "out",
         "--model", tiny_whisper, *map(str, SHORT), "--eval-split", "train", "--eval-clips", "1",
         "--log", "trackio"],
        cwd=REPOSITORY, env=os.environ | {"TRACKIO_DIR": str(logs), "HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (logs / "emonet-voice.db").is_file()
