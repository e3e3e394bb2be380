"""Scoring by Ray: the same rows as on one machine, kept block by block, whoever is killed."""

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from modeling_empathic.scoring import ray_engine
from modeling_empathic.scoring.cuts import Cuts
from modeling_empathic.scoring.journal import ScoreFile
from modeling_empathic.scoring.names import ClipNames
from modeling_empathic.scoring.ray_engine import (
    Work,
    look_at_model,
    parts_folder,
    score_block,
    score_on_ray,
)
from modeling_empathic.taxonomy import UserError
from tests.support.command import run_command
from tests.support.scoring_fakes import (
    HEADS,
    FakeExtractor,
    FakeModel,
    write_clip,
    write_parquet,
    write_tar,
)

BATCH = 2  # a block of files is eight times as many


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray on this machine, begun once: that takes seconds."""
    pytest.importorskip("ray.data", reason="the extra scale is not installed")
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # else it warns
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Twenty clips of half a second in `clips/`, two blocks, one of them damaged."""
    monkeypatch.chdir(tmp_path)
    for i in range(20):
        write_clip(Path(f"clips/{i:02}.wav"), seed=i)
    Path("clips/07.wav").write_bytes(b"RIFF and no more")
    return tmp_path


def score(*words: str) -> tuple[int, str, str]:
    return run_command("score", *words, "--batch-size", str(BATCH), "--heads", "anger,awe")


def test_files_parquet_and_tars_get_the_rows_of_one_machine_in_their_order(ray, folder):
    files = sorted(map(str, Path("clips").iterdir()))
    write_parquet(Path("a.parquet"), files[:4], row_group_size=2)
    write_tar(Path("b.tar"), files[4:8])
    code, _, said = score("clips", "a.parquet", "b.tar", "--engine", "ray", "-o", "ray.parquet")
    assert code == 1 and "Traceback" not in said
    assert score("clips", "-o", "local.parquet")[0] == 1  # of the damaged clip
    by_ray, local = parquet.read_table("ray.parquet"), parquet.read_table("local.parquet")
    assert by_ray.slice(0, 20).equals(local) and by_ray.schema.metadata.keys()
    inside = by_ray.slice(20)["path"].to_pylist()
    assert inside == [f"a.parquet#{i}" for i in range(4)] + [f"b.tar#{name}" for name in files[4:8]]
    expected = local.slice(0, 8).drop_columns(["path", "error"])
    assert by_ray.slice(20).drop_columns(["path", "error"]).equals(expected)
    assert not parts_folder(Path("ray.parquet")).exists()


def test_what_is_wrong_with_a_model_is_said_as_on_one_machine(ray):
    model = {"model": None, "revision": None, "device": "cpu", "dtype": "auto"}
    with pytest.raises(UserError, match="Angst"):
        look_at_model(None, **model, heads=["Angst"])


@pytest.fixture
def fakes(folder, monkeypatch) -> tuple[list[int], Callable[[], list[str]]]:
    """Numbers of blocks that were asked for, and a run, of which the first ends after a block."""
    made_by = {"model": "fake", "heads": list(HEADS)}
    asked: list[int] = []

    def here(blocks: Any, work: Work, workers: int | None) -> Iterator[tuple[str, bytes]]:
        asked.append(len(blocks))
        for block in blocks:
            yield block.digest, score_block(block, work, FakeModel(), FakeExtractor())
            if len(asked) == 1:
                raise KeyboardInterrupt

    def run() -> list[str]:
        clips = sorted(map(str, Path("clips").iterdir()))
        with ScoreFile(Path("scores.parquet"), made_by) as file:
            work = Work({}, made_by, file.provenance, BATCH, Cuts(), file.done)
            return score_on_ray(clips, file, work, ClipNames(str(folder)))[0]

    monkeypatch.setattr(ray_engine, "_scored", here)
    with pytest.raises(KeyboardInterrupt):
        run()
    return asked, run


def test_a_run_that_was_killed_finds_its_blocks_and_does_the_others(fakes):
    asked, run = fakes
    assert len(list(parts_folder(Path("scores.parquet")).iterdir())) == 1
    assert len(run()) == 20
    first = parquet.read_table("scores.parquet")
    assert first["path"].to_pylist() == [f"clips/{i:02}.wav" for i in range(20)]
    write_clip(Path("clips/03.wav"), seed=99)  # once it is whole, what has changed is scored again
    run()
    again = parquet.read_table("scores.parquet")
    changed = [i for i in range(20) if not again.slice(i, 1).equals(first.slice(i, 1))]
    assert asked == [2, 1, 2] and changed == [3]


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "another's", "bit"])
def test_a_block_that_a_disk_has_damaged_is_scored_again(fakes, damage):
    asked, run = fakes
    (part,) = parts_folder(Path("scores.parquet")).iterdir()
    content, another = part.read_bytes(), io.BytesIO()
    parquet.write_table(pa.table({"path": ["a"]}), another)
    at = content.index(b"clips/") if damage == "bit" else 0
    part.write_bytes(
        {
            "empty": b"",
            "cut": content[:-100],
            "text": b"mine",
            "another's": another.getvalue(),
            "bit": content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
        }[damage]
    )
    assert part.read_bytes() != content
    assert run() == [f"clips/{i:02}.wav" for i in range(20)] and asked == [2, 2]
    assert parquet.read_table("scores.parquet").num_rows == 20


def test_what_the_engine_cannot_do_is_said_before_a_model_is_loaded(folder):
    for words, said in (
        (("--engine", "dask", "-o", "a.csv"), "choose local or ray"),
        (("--engine", "ray"), "needs --output"),
        (("--engine", "ray", "-o", "a.csv", "--profile"), "--profile: with --engine local only"),
        (("--engine", "local", "s3://bucket/clips"), "addresses are not read"),
    ):
        code, _, error = run_command("score", "clips", *words)
        assert code == 2 and said in error


@pytest.mark.slow
def test_a_worker_and_a_whole_machine_are_lost_and_no_row_is(tmp_path, monkeypatch):
    pytest.importorskip("ray.data")
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.chdir(tmp_path)
    for i in range(200):
        write_clip(Path(f"clips/{i:03}.wav"), seed=i)
    if ray.is_initialized():
        ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    lost = []

    def lose() -> None:
        parts = parts_folder(Path("ray.parquet"))
        while not (parts.is_dir() and len(list(parts.iterdir())) >= 2):
            time.sleep(0.05)
        lost.append(kill_a_worker())
        while len(list(parts.iterdir())) < 4:
            time.sleep(0.05)
        cluster.remove_node(second, allow_graceful=False)
        lost.append(second)

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    try:
        code, _, said = score("clips", "--engine", "ray", "-o", "ray.parquet")
        thread.join(60)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert (code, len(lost)) == (0, 2), said
    assert score("clips", "-o", "local.parquet")[0] == 0
    by_ray, local = parquet.read_table("ray.parquet"), parquet.read_table("local.parquet")
    assert pc.count_distinct(by_ray["path"]).as_py() == 200
    assert by_ray.equals(local)


def kill_a_worker() -> int:
    """Kills the process of a worker that this one has started, as a lack of memory does."""
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            name = (process / "cmdline").read_bytes()
            if name.startswith(b"ray::MapWorker") and os.getpid() in ancestors(int(process.name)):
                os.kill(int(process.name), signal.SIGKILL)
                return int(process.name)
    raise LookupError("no worker is alive")


def ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found
