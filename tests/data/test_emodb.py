"""The command on real clips, an eighth of EmoDB: nothing is lost, not even to kill -9."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.support.servers import wait_until

pytestmark = pytest.mark.real


def command(shared: Path, output: Path) -> list[str]:
    clips = sorted((shared / "data" / "emodb").rglob("*.flac"))[::8]
    arguments = ["score", *map(str, clips), "--output", str(output), "--quiet"]
    return [sys.executable, "-m", "emonet_voice.cli.app", *arguments]


def test_a_run_killed_half_way_and_started_again_gives_the_file_of_one_run(shared, tmp_path):
    whole, resumed = tmp_path / "whole.parquet", tmp_path / "resumed.parquet"
    assert subprocess.run(command(shared, whole)).returncode == 0
    table = parquet.read_table(whole)
    assert table["outcome"].to_pylist() == ["scored"] * 67
    assert len(set(table["clip_id"].to_pylist())) == 67

    process = subprocess.Popen(command(shared, resumed))
    journal = resumed.with_name(resumed.name + ".partial")

    def wrote_two_groups():
        assert process.poll() is None, "the run ended before it could be killed"
        return journal.exists() and journal.read_bytes().count(b"\n") >= 3

    wait_until(wrote_two_groups, "2 of 9 groups of 8")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not resumed.exists()
    assert subprocess.run(command(shared, resumed)).returncode == 0
    assert resumed.read_bytes() == whole.read_bytes()
