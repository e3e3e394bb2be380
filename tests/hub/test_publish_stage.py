"""Staging: the same bytes each time, nothing that does not belong there, nothing that is stale."""

import json
import shutil

import pytest

from dataset_scripts.building.manifest import BuildError
from emonet_voice.cli.publish import new_spelling
from emonet_voice.hub import repositories as hub
from emonet_voice.hub.cards import card_of
from emonet_voice.hub.publish import stage as publish_stage
from emonet_voice.hub.publish.stage import Sources, list_files, stage
from emonet_voice.hub.repositories import REPOSITORIES, PublishError, Repository, chosen, folder_of
from evaluate_metrics.bench.evaluation import write_result
from modeling_empathic import NANO as NANO_FOLDER
from modeling_empathic.report.files import locked
from modeling_empathic.saving_empathic import CODE_FILES
from modeling_empathic.scoring.loading import fingerprint
from modeling_empathic.taxonomy import UserError
from tests.support.places import REPOSITORY
from tests.support.publish_maker import (
    BENCH,
    METRIC,
    NANO,
    ROWS,
    SMALL,
    run_publish,
)
from tests.support.results import METRICS, result


def test_two_stagings_are_the_same_bytes(staged, sources, tmp_path):
    again = stage(tmp_path / "again", sources)
    assert list_files(again.folder) == list_files(staged.folder)
    assert again.repositories == staged.repositories


def test_what_cannot_be_staged_is_named_with_its_reason(staged):
    assert "it needs models (" in staged.left_out["Empathic-Insight-Voice-Large"]
    names = {row.name for row in staged.repositories}
    assert names | {*staged.left_out} == {row.name for row in REPOSITORIES}
    assert {NANO, SMALL, BENCH, METRIC, "empathic-insight-voice"} <= names


@pytest.mark.parametrize("name", [NANO, SMALL])
def test_a_model_ships_the_packages_own_code(staged, name):
    folder = staged.folder / "models" / name
    for file in CODE_FILES:
        assert (folder / file).read_bytes() == (
            REPOSITORY / "modeling_empathic" / file
        ).read_bytes()
    config = json.loads((folder / "config.json").read_text())
    assert config["custom_pipelines"]["voice-emotion"]["impl"].startswith("pipeline_empathic.")
    assert not any(path.is_dir() for path in folder.iterdir())  # remote code must be flat


def test_the_metric_ships_the_cores_own_bytes(staged):
    folder = staged.folder / "spaces" / METRIC
    core = REPOSITORY / "evaluate_metrics" / "emonet_voice"
    for path in core.glob("*.*"):
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert {"README.md", "app.py", "requirements.txt"} <= {path.name for path in folder.iterdir()}


def test_links_of_a_space_become_what_they_point_to(staged):
    shipped = staged.folder / "spaces" / "empathic-insight-voice" / "emonet" / "taxonomy.py"
    assert not shipped.is_symlink()
    assert shipped.read_bytes() == (REPOSITORY / "modeling_empathic" / "taxonomy.py").read_bytes()
    assert not any(path.is_symlink() for path in staged.folder.rglob("*"))


def test_a_data_set_says_what_its_files_have(staged, sources):
    from dataset_scripts.building.manifest import verify

    folder = staged.folder / "datasets" / BENCH
    metadata, text = card_of(folder)
    splits = {info["config_name"]: info["splits"][0] for info in metadata["dataset_info"]}
    assert {name: splits[name]["num_examples"] for name in ROWS} == ROWS
    assert metadata["size_categories"] == ["n<1K"]
    assert "126" in text and "337" in text
    assert verify(folder)["counts"]["ratings"] == 337
    assert (folder / "eval.yaml").read_text().startswith("name: EmoNet-Voice Bench")


def test_cards_name_the_namespace(sources, tmp_path):
    names = [SMALL, METRIC, "empathic-insight-voice"]
    out = stage(tmp_path / "out", sources, only=names, namespace="someone").folder
    assert (
        '"someone/Empathic-Insight-Voice-Small"'
        in (out / "models" / SMALL / "README.md").read_text()
    )
    assert (
        'evaluate.load("someone/emonet_voice")'
        in (out / "spaces" / METRIC / "README.md").read_text()
    )


def test_a_folder_that_was_not_staged_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    code, out, err = run_publish("stage", tmp_path, "--only", METRIC)
    assert (code, out) == (2, "")
    assert "was not staged" in err and "Traceback" not in err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_staging_again_replaces_what_was_staged(tmp_path):
    for _ in range(2):
        code, out, _ = run_publish("stage", tmp_path / "out", "--only", f"laion/{METRIC}")
        assert code == 0 and "1 repository checked: emonet_voice" in out
        (tmp_path / "out/spaces" / METRIC / "app.py").unlink()  # as a killed replacement would
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "manifest",
    [
        "{}",
        "[]",
        '{"files": null}',
        '{"files": {}}',
        '{"files": {"../notes.txt": {}}}',
        "[" * 10**5,
    ],
)
def test_a_folder_of_somebody_who_also_has_a_staging_json_is_left_alone(tmp_path, manifest):
    out = tmp_path / "out"
    (out / "spaces").mkdir(parents=True)
    mine = {"notes.txt": "mine", "out/spaces/thesis.txt": "years", "out/staging.json": manifest}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    code, shown, err = run_publish("stage", out, "--only", METRIC)
    assert (code, shown, err.count("\n")) == (2, "", 1)
    assert "was not staged" in err
    assert {name: (tmp_path / name).read_text() for name in mine} == mine


def test_a_file_that_somebody_put_into_a_staged_folder_is_never_deleted(tmp_path):
    out = stage(tmp_path / "out", only=[METRIC]).folder
    for name in ("notes.txt", f"spaces/{METRIC}/notes.txt"):
        (out / name).write_text("mine")
        with pytest.raises(PublishError, match=rf"holds {name}, which was not staged"):
            stage(out, only=[METRIC])
        (out / name).unlink()
    (out / "models").symlink_to(tmp_path / "out/spaces")
    with pytest.raises(PublishError, match="holds models, which was not staged"):
        stage(out, only=[METRIC])


def test_of_two_stagings_of_one_folder_the_second_is_told(tmp_path):
    with locked(tmp_path / "out"), pytest.raises(UserError, match="another run is writing out"):
        stage(tmp_path / "out", only=[METRIC])
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "emonet-voice-small"], "no repository 'emonet-voice-small'; choose from"),
        (["--only", SMALL], f"{SMALL} cannot be staged: it needs models (DIR/{SMALL})"),
        (["--only", "emonet-voice-big"], "it needs big (a folder of big build)"),
        (["--only", "emonet-voice-big", "--big", "."], "has no manifest.json"),
        (["--only", BENCH, "--bench", "."], "has no manifest.json"),
    ],
)
def test_what_is_asked_for_and_cannot_be_is_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_publish("stage", "out", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json"], "No such option: --json"),
        (["push", "--rehearse"], "No such option: --rehearse"),
        (["push", "--create-pr", "--tag", "v1"], "a pull request cannot be tagged"),
        (["rehearse", "--private"], "No such option: --private"),
        (["upgrade", f"laion/{SMALL}"], "Missing option '--models'"),
        (["nothing"], "No such command 'nothing'"),
    ],
)
def test_contradictions_are_refused(arguments, message):
    code, _, err = run_publish(*arguments)
    assert code == 2 and message in err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["--stage", "out", "--only", METRIC], ["stage", "out", "--only", METRIC]),
        (["--only", METRIC, "--stage=out"], ["stage", "--only", METRIC, "out"]),
        (["--push", "--stage", "out", "--yes"], ["push", "--stage", "out", "--yes"]),
        (["--bench", "a=b", "--rehearse"], ["rehearse", "--bench", "a=b"]),
        (["--upgrade", "laion/x", "--models", "m"], ["upgrade", "laion/x", "--models", "m"]),
    ],
)
def test_the_old_spelling_goes_on_working_with_a_line_that_says_the_new_one(old, new, capsys):
    assert new_spelling(old) == new
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"emonet-voice publish {new[0]}" in said
    assert new_spelling(new) == new and capsys.readouterr().err == ""


def test_a_command_in_the_old_spelling_does_the_same(tmp_path):
    code, out, err = run_publish("--only", METRIC, "--stage", tmp_path / "out")
    assert code == 0 and "1 repository checked: emonet_voice" in out
    assert "emonet-voice publish stage" in err


# Figures that are older than the artefact --------------------------------------------------------


@pytest.fixture
def nano(tmp_path, monkeypatch):
    """A copy of Nano that is staged in its place."""
    folder = tmp_path / "project" / "modeling_empathic" / "nano"
    shutil.copytree(NANO_FOLDER, folder)
    monkeypatch.setattr(publish_stage, "ROOT", tmp_path / "project")
    monkeypatch.setattr(publish_stage, "project_folder", lambda name: tmp_path / "project" / name)
    return folder


def retrained(folder):
    """Other weights of the same size."""
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def test_reference_scores_of_other_weights_fail_the_build(nano, tmp_path):
    retrained(nano)
    (nano / "training.json").unlink()  # which says so too
    with pytest.raises(PublishError, match=r"reference_scores.json is of other weights"):
        stage(tmp_path / "out", only=[NANO])
    assert not (tmp_path / "out").exists()


def test_figures_of_other_weights_fail_the_build(nano, tmp_path):
    from dataset_scripts.building.manifest import sha256

    report = json.loads((nano / "training.json").read_text())
    (nano / "reference_scores.json").unlink()
    for key, value, fails in (
        ("model_sha256", sha256(nano / "model.safetensors"), False),
        ("model_sha256", "0" * 64, True),
        ("model_bytes", 1, True),
    ):
        (nano / "training.json").write_text(json.dumps(report | {key: value}))
        if fails:
            with pytest.raises(PublishError, match=r"training.json is of other weights"):
                stage(tmp_path / "out", only=[NANO])
        else:
            stage(tmp_path / "out", only=[NANO])


def test_a_bench_that_was_edited_after_it_was_built_is_refused(sources, tmp_path):
    shutil.copytree(sources.bench, tmp_path / "bench")
    file = next((tmp_path / "bench" / "data").iterdir())
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(BuildError, match="is not the file that was built"):
        stage(tmp_path / "out", Sources(bench=tmp_path / "bench"), only=[BENCH])


def test_a_card_that_states_a_figure_that_was_not_measured_is_refused(nano, tmp_path):
    report = json.loads((nano / "training.json").read_text())
    del report["measured"]["acted_test_voices"]
    (nano / "training.json").write_text(json.dumps(report))
    (nano / "reference_scores.json").unlink()
    with pytest.raises(PublishError, match=r"nano.md.jinja.*acted_test_voices"):
        stage(tmp_path / "out", only=[NANO])


@pytest.fixture
def evaluated(sources, tmp_path):
    """A function that stages Small with a result of these weights."""

    def staged_with(**provenance):
        (tmp_path / "results").mkdir(exist_ok=True)
        write_result(result(**provenance), tmp_path / "results" / "small.json")
        with_results = sources._replace(results=tmp_path / "results")
        return stage(tmp_path / "out", with_results, only=[SMALL]).folder / "models" / SMALL

    return staged_with


def test_a_cards_figures_come_from_result_files(evaluated, model_folder):
    folder = evaluated(model=SMALL, revision=fingerprint(model_folder))
    measured = METRICS["good"]
    row = f"| {measured['spearman']:.3f} | {measured['intervals']['spearman']['low']:.3f} to "
    assert row in (folder / "README.md").read_text()
    assert not (folder / ".eval_results").exists()  # the Hub takes results of its commits only


def test_results_of_other_weights_fail_the_build(evaluated):
    with pytest.raises(PublishError, match=r"small.json is of other weights \(sha256:00\)"):
        evaluated(model=SMALL, revision="sha256:00")


def test_results_of_a_commit_are_written_for_the_hub(evaluated):
    folder = evaluated()  # of laion/Empathic-Insight-Voice-Small at a commit
    entries = (folder / ".eval_results" / "emonet-voice-bench.yaml").read_text()
    assert entries.count("model revision " + "a" * 40) == 4
    metadata, _ = card_of(folder)
    assert metadata["model-index"][0]["name"] == SMALL


# What lies about ---------------------------------------------------------------------------------


@pytest.fixture
def space(tmp_path, monkeypatch):
    """The folder of a Space of our own, which the table lists alone."""
    row = Repository("toy", "space", folders=("spaces/toy",))
    monkeypatch.setattr(hub, "REPOSITORIES", (row,))
    monkeypatch.setattr(publish_stage, "ROOT", tmp_path / "project")
    monkeypatch.setattr(publish_stage, "project_folder", lambda name: tmp_path / "project" / name)
    folder = tmp_path / "project" / "spaces" / "toy"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(
        "---\ntitle: Toy\nemoji: 🎲\ncolorFrom: red\ncolorTo: blue\nsdk: gradio\n"
        "sdk_version: 6.31.0\napp_file: app.py\nlicense: mit\nshort_description: Toy\n---\n"
    )
    (folder / "app.py").write_text("print(1)\n")
    (folder / "requirements.txt").write_text("gradio\n")
    return folder


def test_a_new_row_is_all_that_a_new_repository_needs(space, tmp_path):
    staged = stage(tmp_path / "out")
    assert [row.name for row in staged.repositories] == ["toy"]
    assert (folder_of(staged.folder, chosen()[0]) / "app.py").read_text() == "print(1)\n"


def test_what_running_a_space_leaves_behind_is_not_published(space, tmp_path):
    for name in ("__pycache__/app.pyc", "annotation_data/ratings.sqlite", ".env", ".gradio/key"):
        (space / name).parent.mkdir(exist_ok=True)
        (space / name).write_text("secret")
    files = list_files(stage(tmp_path / "out").folder / "spaces" / "toy")
    assert [*files] == ["README.md", "app.py", "requirements.txt"]


def test_a_link_out_of_the_project_is_refused(space, tmp_path):
    (tmp_path / "private.txt").write_text("mine")
    (space / "notes.txt").symlink_to(tmp_path / "private.txt")
    with pytest.raises(PublishError, match=r"notes.txt points out of the project"):
        stage(tmp_path / "out")


@pytest.mark.parametrize("command", ["stage", "push"])
def test_a_bench_with_other_counts_is_refused_unless_told(command, sources, tmp_path):
    arguments = ["--only", BENCH, "--bench", sources.bench]
    arguments += [tmp_path / "out"] if command == "stage" else ["--stage", tmp_path / "out"]
    code, out, err = run_publish(command, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "clips 126 (published: 12,600)" in err and "--no-assert takes it anyway" in err
    assert str(sources.bench) in err and not (tmp_path / "out").exists()


def test_a_bench_with_other_counts_is_staged_when_told(sources, tmp_path):
    out = tmp_path / "out"
    code, _, err = run_publish(
        "stage", out, "--only", BENCH, "--bench", sources.bench, "--no-assert"
    )
    assert code == 0, err
    assert (out / "datasets" / BENCH / "manifest.json").is_file()
