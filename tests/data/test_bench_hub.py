"""`load_dataset("laion/emonet-voice-bench")` as users type it, against a Hub on this machine."""

import subprocess
import sys

import pytest

from dataset_scripts.building.build import build
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.places import REPOSITORY
from tests.support.raw_release_maker import make_raw_release

REPO = "laion/emonet-voice-bench"
ROWS = {"default": 600, "all": 630, "unanimous": 235, "ratings": 1_680}  # a twentieth of Bench
CONFIGS = ["default", "all", "unanimous"]
# Both ways of loading in one process, which takes seconds to start: every test asks for its part.
LOAD = """
from datasets import Audio, load_dataset

def rows_of(config, streaming):
    dataset = load_dataset(repo, config, split="test", streaming=streaming)
    if "audio" in dataset.features:
        dataset = dataset.cast_column("audio", Audio(sampling_rate=44_100, decode=False))
    rows = list(dataset)
    for row in rows:
        if "audio" in row:
            row["audio"]["bytes"] = len(row["audio"]["bytes"])
    return rows, str(dataset.features)
"""


@pytest.fixture(scope="session")
def bench(hub_client, local_hub, tmp_path_factory):
    """The client, with a twentieth of Bench on the Hub under its real name."""
    folder = tmp_path_factory.mktemp("bench")
    raw = make_raw_release(folder / "raw", 1 / 20, seconds=0.2, sounds=8)
    local_hub.add(REPO, build(raw, folder / "built", assert_counts=False) and folder / "built")
    hub_client(LOAD, repo=REPO)
    return hub_client


@pytest.mark.parametrize("config", ROWS)
def test_every_configuration_has_its_rows_streamed_as_downloaded(bench, config):
    code = """
downloaded, features = rows_of(config, False)
streamed, streamed_features = rows_of(config, True)
result = [len(downloaded), downloaded == streamed, features == streamed_features]
"""
    assert bench(code, config=config) == [ROWS[config], True, True]


def test_without_a_configuration_it_is_the_40_emotions(bench):
    code = """
dataset = load_dataset(repo, split="test")
result = [dataset.num_rows, len(set(dataset["emotion"])), dataset.features["emotion"].names]
"""
    assert bench(code) == [600, 40, list(EMOTION_NAMES)]


def test_each_category_has_as_many_clips_and_unanimous_ones_are(bench):
    code = """
from collections import Counter
rows, _ = rows_of("all", False)
sure, _ = rows_of("unanimous", False)
result = [
    sorted(set(Counter(row["emotion"] for row in rows).values())),
    sum(len(row["ratings"]) for row in rows),
    all(rating["score"] >= 1 for row in sure for rating in row["ratings"]),
    {row["clip_id"] for row in sure} == {r["clip_id"] for r in rows if r["unanimous_present"]},
]
"""
    assert bench(code) == [[15], 1_680, True, True]


@pytest.mark.parametrize("streaming", [False, True])
def test_audio_decodes(bench, streaming):
    code = """
dataset = load_dataset(repo, "unanimous", split="test", streaming=streaming)
row = next(iter(dataset))
samples = row["audio"].get_all_samples()
result = [samples.sample_rate, samples.duration_seconds, row["duration_s"]]
"""
    rate, seconds, expected = bench(code, streaming=streaming)
    assert rate == 44_100
    assert seconds == pytest.approx(expected, abs=0.1)
    assert seconds == pytest.approx(0.2, abs=0.1)


def test_the_command_builds_from_the_hub(bench, local_hub, tmp_path):
    raw = make_raw_release(tmp_path / "raw", 1 / 300, seconds=0.1, sounds=2)
    local_hub.add("someone/raw-bench", raw)
    command = "from emonet_voice.cli.app import main; main()"
    arguments = ["bench", "build", "someone/raw-bench", "out", "--no-assert"]
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)}
        | local_hub.environment(tmp_path / "home"),
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "42 clips, 112 ratings" in done.stdout
    assert local_hub.unknown == []
