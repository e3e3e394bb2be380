"""A run of stage 1 that was killed goes on and ends with the weights of one that was not."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from modeling_empathic.training.encoder import EncoderSettings, TrainingError, train_encoder
from tests.support.places import REPOSITORY
from tests.support.tiny_whisper import made_clips

KILLED = """
import os, signal, sys
from tests.training.test_encoder_resume import run
def progress(step, of, figures):
    if step == 8:
        os.kill(os.getpid(), signal.SIGKILL)
run(*sys.argv[1:], progress=progress)
"""


def settings_of(model):
    return EncoderSettings(
        model=str(model), window_s=1, epochs=3, batch_size=2, learning_rate=1e-3, save_steps=3,
        device="cpu",
    )  # fmt: skip


def run(model, output, progress=None, **change):
    settings = replace(settings_of(model), **change)
    return train_encoder(made_clips(10), made_clips(3, 1), output, settings, progress=progress)


class StopError(Exception):
    """In the place of a kill, for tests that need not die."""


def stop_at(step):
    def progress(now, of, figures):
        if now == step:
            raise StopError

    return progress


def test_killed_and_resumed_equals_uninterrupted(tiny_whisper, tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", KILLED, str(tiny_whisper), str(killed)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not killed.exists()
    steps = []
    run(tiny_whisper, killed, progress=lambda *step: steps.append(step[:2]))
    assert steps[0] == (7, 15)  # it went on behind the checkpoint of step 6, amid the second epoch
    run(tiny_whisper, whole)
    one, other = (load_file(folder / "model.safetensors") for folder in (killed, whole))
    assert one.keys() == other.keys()
    for key, weights in other.items():  # two processes need not round the last bit alike
        torch.testing.assert_close(one[key], weights, rtol=1e-4, atol=1e-5, msg=key)


def test_a_checkpoint_that_was_cut_short_is_not_gone_on_from(tiny_whisper, tmp_path):
    with pytest.raises(StopError):
        run(tiny_whisper, tmp_path / "out", progress=stop_at(8))
    (tmp_path / ".out.training" / "checkpoint-6" / "whole").unlink()
    steps = []
    run(tiny_whisper, tmp_path / "out", progress=lambda *step: steps.append(step[0]))
    assert steps[0] == 4


def test_other_arguments_do_not_go_on_with_a_run(tiny_whisper, tmp_path):
    with pytest.raises(StopError):
        run(tiny_whisper, tmp_path / "out", progress=stop_at(4))
    with pytest.raises(TrainingError, match=r"arguments: learning_rate was 0.001, is now 0.1"):
        run(tiny_whisper, tmp_path / "out", learning_rate=0.1)


def test_two_runs_do_not_write_one_output(tiny_whisper, tmp_path):
    from modeling_empathic.report.files import locked_folder

    (tmp_path / ".out.training").mkdir()
    with (
        locked_folder(tmp_path / ".out.training"),
        pytest.raises(ValueError, match="another run is writing"),
    ):
        run(tiny_whisper, tmp_path / "out")
