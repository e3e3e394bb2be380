"""Big on Ray: the same clips and scores as on one machine."""

from pathlib import Path

import pytest
from pyarrow import parquet

from dataset_scripts.generation import generate as generating
from tests.support.command import run_command
from tests.support.killing import tree


def test_another_runner_is_refused_with_the_choices(tmp_path):
    for words in (("generate", "plan.parquet", "out"), ("annotate", "out")):
        code, _, said = run_command("big", *words, "--runner", "slurm")
        assert code == 2 and "slurm" in said and "local or ray" in said
    code, _, said = run_command(
        "big", "annotate", "out", "--runner", "ray", "--annotator", "gemini"
    )
    assert code == 2 and "gemini" in said


def test_rows_travel_with_their_numbers_and_come_back_as_on_one_machine(tmp_path, monkeypatch):
    def mapped(rows, worker, argument, **options):
        yield from reversed([worker(argument)(row) for row in rows])

    monkeypatch.setattr(generating, "mapped", mapped)
    assert speak(tmp_path, "ray") == speak(tmp_path, "local")


@pytest.mark.slow
def test_clips_spoken_and_scored_by_ray_are_those_of_one_machine(tmp_path):
    pytest.importorskip("ray.data", reason="the extra scale is not installed")
    folders = {runner: speak(tmp_path, runner) for runner in ("ray", "local")}
    assert folders["ray"] == folders["local"]
    for runner in folders:
        assert run_command("big", "annotate", tmp_path / runner, "--runner", runner)[0] == 0
    ray, local = (parquet.read_table(tmp_path / name / "scores.parquet") for name in folders)
    assert ray.equals(local) and len(ray) > 0


def speak(folder: Path, runner: str) -> dict[str, bytes]:
    plan, out = folder / "plan.parquet", folder / runner
    assert run_command("big", "plan", "--clips", "6", "--output", plan)[0] == 0
    assert run_command("big", "generate", plan, out, "--runner", runner, "--workers", "1")[0] == 0
    return tree(out)
