"""The picture of a score file."""

import subprocess
import sys

import pytest

from tests.support.places import REPOSITORY

SCRIPT = str(REPOSITORY / "examples" / "plot_scores.py")


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    from emonet_voice.cli.app import run

    output = tmp_path_factory.mktemp("plot") / "scores.parquet"
    clips = [str(REPOSITORY / "examples" / "clips" / f"{name}.flac") for name in ("de_anger",)]
    assert (
        run(["score", *clips, "--heads", "anger,awe,sadness", "--output", str(output), "-q"]) == 0
    )
    return output


def test_it_is_a_png_or_svg_that_names_clips_and_emotions(scores, tmp_path):
    for name, start in (("scores.png", b"\x89PNG"), ("scores.svg", b"<?xml")):
        subprocess.run([sys.executable, SCRIPT, scores, tmp_path / name], check=True)
        assert (tmp_path / name).read_bytes().startswith(start)
    text = (tmp_path / "scores.svg").read_text()
    for word in ("de_anger", "Anger", "Awe", "Sadness", "intensity"):
        assert word in text


def test_a_file_without_scored_clips_is_one_line(tmp_path):
    from emonet_voice.cli.app import run

    (tmp_path / "bad.wav").write_bytes(b"not audio")
    output = tmp_path / "bad.parquet"
    assert run(["score", str(tmp_path / "bad.wav"), "--output", str(output), "-q"]) == 1
    done = subprocess.run(
        [sys.executable, SCRIPT, output, tmp_path / "x.png"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == f"error: {output} holds no scored clip\n"
