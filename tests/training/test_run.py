"""A run gives the same heads in any number of passes, killed or not, alone or beside others."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from modeling_empathic import EmpathicInsightModel
from modeling_empathic.training.base import load_base
from modeling_empathic.training.folds import TEST, TRAIN, VALIDATION, make_folds
from modeling_empathic.training.labels import read_labels
from modeling_empathic.training.learning import Learning
from modeling_empathic.training.ranks import Ranks
from modeling_empathic.training.run import estimate
from modeling_empathic.training.settings import Settings, TrainingError
from modeling_empathic.training.states import FreshStates
from tests.support.places import REPOSITORY
from tests.support.servers import wait_until
from tests.support.training_maker import CLASSES, make_clips, train, weights

# Exact but where processes divide a sum among them: float32 sums in another order.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}
PROGRAM = """
import os, sys, time
from pathlib import Path
from modeling_empathic.training import run
from tests.support.training_maker import train
if os.environ.get("RANK") == "1":  # the first is through with everything before it goes on
    predict = run._predict
    run._predict = lambda *given: (predict(*given), time.sleep(1))[0]
data, whisper, output, shard = sys.argv[1:5]
train(Path(data), Path(whisper), Path(output), shard=shard, epochs=int(sys.argv[5]))
"""


def same(first, second, **tolerance):
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    for key, tensor in first.items():
        if tolerance:
            torch.testing.assert_close(tensor, second[key], **tolerance, msg=key)
        else:
            assert torch.equal(tensor, second[key]), key


def start(data, whisper, output, *, shard="heads", epochs=3, **environment):
    arguments = [data, whisper, output, shard, epochs]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_the_folder_loads_and_scores(trained, tone):
    from transformers import WhisperFeatureExtractor

    folder, result = trained
    model = EmpathicInsightModel.from_pretrained(folder)
    assert model.config.head_names == [name.capitalize() for name in CLASSES]
    heard = WhisperFeatureExtractor.from_pretrained(folder)(
        tone, sampling_rate=16_000, return_tensors="pt"
    )
    assert torch.isfinite(model(**heard).logits).all()
    assert result["measured"]["heads"]["Anger"]["n"] == 8


def test_the_stored_head_scores_clips_as_the_learner_did(trained, labelled_folder):
    from transformers import WhisperFeatureExtractor

    from modeling_empathic.audio import load_audio

    folder, result = trained
    model = EmpathicInsightModel.from_pretrained(folder)
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    labelled = read_labels(labelled_folder)
    (fold,) = make_folds(labelled.names, labelled.speakers, n_folds=1)
    errors = []
    for row, clip in enumerate(labelled.clips):
        if fold[row] == TEST:
            heard = extractor(load_audio(clip), sampling_rate=16_000, return_tensors="pt")
            with torch.no_grad():
                score = model(**heard).logits[0, 0].item()
            errors.append(abs(score - labelled.targets["Anger"][row]))
    expected = result["measured"]["heads"]["Anger"]["mae"]
    assert sum(errors) / len(errors) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("heads_per_pass", [1, 3])
def test_any_number_of_passes_gives_the_same_heads_to_the_bit(
    trained, labelled_folder, whisper, tmp_path, heads_per_pass
):
    train(labelled_folder, whisper, tmp_path / "model", heads_per_pass=heads_per_pass)
    same(tmp_path / "model", trained[0])


def test_a_cache_of_statistics_gives_the_same_heads_to_the_bit(
    trained, labelled_folder, whisper, tmp_path
):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / ".states.json.tmp.json").touch()  # of a run killed while it began
    train(labelled_folder, whisper, tmp_path / "model", cache=tmp_path / "cache")
    same(tmp_path / "model", trained[0])


def test_another_seed_gives_other_heads(trained, labelled_folder, whisper, tmp_path):
    train(labelled_folder, whisper, tmp_path / "model", seed=1)
    key = "heads.Anger.proj.weight"
    assert not torch.equal(weights(tmp_path / "model")[key], weights(trained[0])[key])


def test_full_heads_learn_from_a_cache_in_bfloat16(labelled_folder, whisper, tmp_path):
    result = train(
        labelled_folder, whisper, tmp_path / "model", kind="full", cache=tmp_path / "cache",
        epochs=1, heads_per_pass=2,
    )  # fmt: skip
    model = EmpathicInsightModel.from_pretrained(tmp_path / "model")
    assert {spec["kind"] for spec in model.config.heads} == {"full"}
    assert result["measured"]["heads"]["Awe"]["mae"] < 10


def test_interrupted_it_goes_on_and_ends_in_the_same_heads(
    trained, labelled_folder, whisper, tmp_path
):
    def stop(losses, epoch):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(labelled_folder, whisper, tmp_path / "model", log=stop)
    assert not (tmp_path / "model" / "config.json").exists()
    epochs = []
    train(labelled_folder, whisper, tmp_path / "model", log=lambda losses, e: epochs.append(e))
    assert epochs == [2, 3]
    same(tmp_path / "model", trained[0])


def epochs_kept(output):
    numbers = [path.name.split(".")[1] for path in output.glob(".training/0*.safetensors")]
    return [int(number) for number in numbers if number.isdigit()]


def test_killed_it_goes_on_and_ends_in_the_same_heads(labelled_folder, whisper, tmp_path):
    long = {"epochs": 2000, "patience": 2000}
    program = PROGRAM.replace("epochs=int(sys.argv[5])", "epochs=int(sys.argv[5]), patience=2000")
    output = tmp_path / "model"
    process = subprocess.Popen(
        [sys.executable, "-c", program, labelled_folder, whisper, output, "heads", "2000"],
        cwd=REPOSITORY,
    )  # fmt: skip
    # Of some head there is a second epoch: of all of them there is a first.
    while process.poll() is None and max(epochs_kept(output), default=0) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    seen = []
    with pytest.raises(KeyboardInterrupt):  # the rest of 2,000 epochs is not needed here

        def stop(losses, epoch):
            seen.append((epoch, dict(losses)))
            raise KeyboardInterrupt

        train(labelled_folder, whisper, output, log=stop, **long)
    (epoch, losses), whole = seen[0], {}

    def stop_there(found, number):
        whole[number] = dict(found)
        if number == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(labelled_folder, whisper, tmp_path / "whole", log=stop_there, **long)
    assert epoch > 1
    assert losses == whole[epoch]


@pytest.mark.parametrize("shard", ["heads", "data"])
def test_two_processes_give_the_heads_of_one(trained, labelled_folder, whisper, tmp_path, shard):
    pytest.importorskip("accelerate")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    both = [
        start(
            labelled_folder, whisper, tmp_path / "model", shard=shard, MASTER_ADDR="127.0.0.1",
            MASTER_PORT=port, WORLD_SIZE="2", RANK=str(rank), LOCAL_RANK=str(rank),
            ACCELERATE_USE_CPU="true",
        )
        for rank in range(2)
    ]  # fmt: skip
    # One waits for the other for ever: as long as both live, they are waited for.
    wait_until(lambda: any(process.poll() is not None for process in both), "one of two processes")
    if any(process.poll() for process in both):
        for process in both:
            process.kill()
    texts = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "".join(texts)[-3000:]
    assert json.loads((tmp_path / "model/training_args.json").read_text())["processes"] == 2
    same(tmp_path / "model", trained[0], **TOLERANCE)


def test_a_new_head_joins_and_the_others_stay_to_the_bit(trained, tmp_path):
    folder, _ = trained
    data = make_clips(tmp_path / "clips", scores=True)
    text = (data / "metadata.csv").read_text()
    (data / "metadata.csv").write_text(text.replace("anger,awe,pain,pride", "a,b,c,Sarcasm"))
    from modeling_empathic.training.run import train_heads

    labelled = read_labels(data, new_heads={"Sarcasm": (0.0, 4.0)})
    base = load_base(folder, labelled.scales, kind="pooled")
    train_heads(base, labelled, tmp_path / "model", Settings(epochs=1, batch_size=8), n_folds=1)
    before, after = weights(folder), weights(tmp_path / "model")
    for key, tensor in before.items():
        assert torch.equal(after[key], tensor), key
    assert EmpathicInsightModel.from_pretrained(tmp_path / "model").config.head_names[-1] == (
        "Sarcasm"
    )


def test_what_shaped_the_run_is_beside_the_weights(trained):
    folder, result = trained
    written = json.loads((folder / "training_args.json").read_text())
    assert written["settings"]["seed"] == 0
    assert written["data"]["revision"].startswith("sha256:")
    assert {"torch", "transformers"} <= written["versions"].keys()
    assert written["trained"] == result["trained"]
    assert str(folder) not in json.dumps(written)


def test_a_clip_that_cannot_be_decoded_is_counted_and_the_others_teach(whisper, tmp_path):
    data = make_clips(tmp_path / "clips")
    (data / "0-0-anger.wav").write_bytes(b"no audio")
    result = train(data, whisper, tmp_path / "model", epochs=1)
    assert list(result["undecodable"]) == ["0-0-anger.wav"]


def test_without_one_decodable_clip_there_is_one_clear_error(whisper, tmp_path):
    data = make_clips(tmp_path / "clips", takes=1)
    for clip in data.glob("*.wav"):
        clip.write_bytes(b"no audio")
    with pytest.raises(TrainingError, match="no clip can be decoded"):
        train(data, whisper, tmp_path / "model", cache=tmp_path / "cache")


def test_another_runs_output_is_refused(labelled_folder, whisper, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(TrainingError, match="not empty"):
        train(labelled_folder, whisper, tmp_path)

    def stop(losses, epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(labelled_folder, whisper, tmp_path / "model", log=stop)
    with pytest.raises(TrainingError, match="unfinished run with other settings"):
        train(labelled_folder, whisper, tmp_path / "model", seed=5)


def test_a_cache_of_other_data_is_refused(labelled_folder, whisper, tmp_path):
    train(labelled_folder, whisper, tmp_path / "model", cache=tmp_path / "cache", epochs=1)
    other = make_clips(tmp_path / "clips", takes=3)
    with pytest.raises(TrainingError, match="states of another data and clips"):
        train(other, whisper, tmp_path / "other", cache=tmp_path / "cache")


def test_a_folder_of_somebodys_files_is_no_cache(labelled_folder, whisper, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(TrainingError, match="a folder with other files"):
        train(labelled_folder, whisper, tmp_path / "model", cache=tmp_path, epochs=1)


def test_no_memory_says_what_to_choose(labelled_folder, whisper, tmp_path, monkeypatch):
    from modeling_empathic.training.heads import Learner

    def step(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Learner, "step", step)
    with pytest.raises(TrainingError, match="out of memory on cpu: choose heads_per_pass below"):
        train(labelled_folder, whisper, tmp_path / "model")


def test_folds_measure_every_clip_by_heads_that_never_met_its_speaker(
    labelled_folder, whisper, tmp_path
):
    result = train(labelled_folder, whisper, tmp_path / "model", n_folds=4, epochs=8)
    measured = result["measured"]
    assert (measured["clips"], measured["speakers"]) == (32, 4)
    assert measured["accuracy"] > 0.5 > measured["floor_accuracy"]


def test_without_patience_all_clips_teach_but_the_tested_ones():
    folds = np.array([[TRAIN, VALIDATION, TEST], [TRAIN, TRAIN, VALIDATION]])
    for patience, teaching in ((12, [[0], [0, 1]]), (0, [[0, 1], [0, 1, 2]])):
        learning = Learning(
            None, folds, {"Awe": np.arange(3.0)}, Settings(patience=patience), "mean",
            torch.device("cpu"), Ranks(),
        )  # fmt: skip
        for fold, rows in zip((0, -1), teaching, strict=True):
            known = ~learning.targets["Awe", fold, TRAIN].isnan()
            assert torch.nonzero(known)[:, 0].tolist() == rows


def test_for_pooled_heads_a_clip_is_decoded_once_however_many_epochs(
    labelled_folder, whisper, tmp_path, monkeypatch
):
    decoded = []
    features = FreshStates._features
    monkeypatch.setattr(
        FreshStates, "_features", lambda self, row: decoded.append(int(row)) or features(self, row)
    )
    train(labelled_folder, whisper, tmp_path / "model")
    assert sorted(decoded) == list(range(len(decoded))) and len(decoded) > 8
    assert not (tmp_path / "model" / ".training").exists()


def test_a_full_heads_run_says_what_a_cache_would_take(labelled_folder, whisper):
    labelled = read_labels(labelled_folder)
    full = estimate(load_base(whisper, labelled.scales, kind="full"), labelled, Settings(), 5)
    assert "MB a clip" in full and "without one each is encoded in up to 40 epochs" in full
