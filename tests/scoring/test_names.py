"""One file has one name in a score file, from wherever and however it is reached."""

from pathlib import Path

import pytest

from emonet_voice.cli import app as cli
from modeling_empathic.scoring.clips import find_audio
from modeling_empathic.scoring.file import read_provenance, read_scores
from tests.support.command import run_command
from tests.support.scoring_fakes import write_clip


@pytest.fixture
def project(tmp_path, monkeypatch, faked):
    """`project/clips/a.wav` and `b.wav`, scored into `project/scores.csv`."""
    folder = tmp_path / "project"
    for seed, name in enumerate("ab"):
        write_clip(folder / "clips" / f"{name}.wav", seed=seed)
    monkeypatch.chdir(folder)
    assert cli.run(["score", "clips", "-q", "-o", "scores.csv"]) == 0
    return folder


def names(path):
    return read_scores(Path(path)).column("path").to_pylist()


@pytest.mark.parametrize(
    "again",
    [
        "./clips/a.wav",
        "clips/../clips/a.wav",
        "clips/./a.wav",
        "clips//a.wav",
        "{here}/clips/a.wav",
    ],
)
def test_the_same_file_spelled_otherwise_is_not_scored_again(project, again):
    code, out, _ = run_command("score", again.format(here=project), "-o", "scores.csv")
    assert code == 0 and "1 scored before" in out
    assert sorted(names("scores.csv")) == ["clips/a.wav", "clips/b.wav"]


@pytest.mark.parametrize(
    ("folder", "given", "output"),
    [
        ("clips", ["."], "../scores.csv"),
        ("clips", ["a.wav", "../clips/b.wav"], "../scores.csv"),
        ("..", ["project/clips"], "project/scores.csv"),
    ],
)
def test_from_another_folder_the_same_files_are_not_scored_again(
    project, monkeypatch, folder, given, output
):
    before = Path("scores.csv").read_bytes()
    monkeypatch.chdir(project / folder)
    code, out, _ = run_command("score", *given, "-o", output)
    assert code == 0 and "2 scored before" in out
    assert (project / "scores.csv").read_bytes() == before


def test_a_new_clip_from_another_folder_is_named_from_where_the_file_was_begun(
    project, monkeypatch
):
    write_clip(project / "clips" / "c.wav", seed=3)
    monkeypatch.chdir(project / "clips")
    assert cli.run(["score", "c.wav", "-q", "-o", "../scores.csv"]) == 0
    assert names("../scores.csv") == ["clips/a.wav", "clips/b.wav", "clips/c.wav"]


def test_another_file_of_the_same_relative_name_does_not_take_the_firsts_place(
    project, monkeypatch
):
    write_clip(project.parent / "other" / "clips" / "a.wav", seed=9)
    monkeypatch.chdir(project.parent / "other")
    assert cli.run(["score", "clips/a.wav", "-q", "-o", "../project/scores.csv"]) == 0
    expected = ["clips/a.wav", "clips/b.wav", "../other/clips/a.wav"]
    assert names("../project/scores.csv") == expected


def test_a_score_file_elsewhere_says_from_where_its_names_start(project, monkeypatch):
    Path("out").mkdir()
    assert cli.run(["score", "clips", "-q", "-o", "out/x.parquet"]) == 0
    assert read_provenance(Path("out/x.parquet"))["paths_from"] == ".."
    assert "paths_from" not in read_provenance(Path("scores.csv"))
    monkeypatch.chdir("out")
    _, out, _ = run_command("score", "../clips", "-o", "x.parquet")
    assert "2 scored before" in out
    monkeypatch.chdir(project)
    moved = project.rename(project.with_name("moved"))
    monkeypatch.chdir(moved / "clips")
    _, out, _ = run_command("score", "a.wav", "-o", "../out/x.parquet")
    assert "1 scored before" in out and sorted(names("../out/x.parquet")) == [
        "clips/a.wav",
        "clips/b.wav",
    ]


def test_a_folder_reached_through_a_link_is_the_same_folder(project):
    Path("linked").symlink_to("clips")
    assert find_audio(["clips", "linked/a.wav"]) == ["clips/a.wav", "clips/b.wav"]
    _, out, _ = run_command("score", "linked/a.wav", "-o", "scores.csv")
    assert "1 scored before" in out


def test_dots_behind_a_link_lead_where_the_system_says(project):
    """`linked/..` is the folder above the link's target, not the one the link lies in."""
    far = write_clip(project.parent / "far" / "a.wav", seed=5)
    (far.parent / "deep").mkdir()
    Path("linked").symlink_to(far.parent / "deep")
    write_clip(Path("a.wav"), seed=6)
    assert find_audio(["a.wav", "linked/../a.wav"]) == ["a.wav", "linked/../a.wav"]
    assert cli.run(["score", "a.wav", "linked/../a.wav", "-q", "-o", "x.csv"]) == 0
    table = read_scores(Path("x.csv"))
    assert len(set(table.column("clip_id").to_pylist())) == 2
    assert names("x.csv") == ["a.wav", "../far/a.wav"]


def test_a_copy_is_scored_and_told(project):
    Path("copy.wav").write_bytes(Path("clips/a.wav").read_bytes())
    _, out, _ = run_command("score", "copy.wav", "-o", "scores.csv")
    assert "Copies: 1 clip has the bytes of another in the score file" in out
    assert "(copy.wav: clips/a.wav)" in out and len(names("scores.csv")) == 3


def test_a_killed_run_goes_on_from_another_folder(project, monkeypatch):
    from modeling_empathic.scoring import loading
    from tests.support.scoring_fakes import fake_loader

    monkeypatch.setattr(loading, "load_model", fake_loader(stop_at=2))
    assert cli.run(["score", "clips", "-q", "-o", "x.csv", "--batch-size", "1"]) == 130
    monkeypatch.setattr(loading, "load_model", fake_loader())
    monkeypatch.chdir("clips")
    _, out, _ = run_command("score", ".", "-o", "../x.csv", "--batch-size", "1")
    assert "1 scored before" in out
    assert names("../x.csv") == ["clips/a.wav", "clips/b.wav"]
