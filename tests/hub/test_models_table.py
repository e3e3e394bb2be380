"""`emonet-voice models`: its figures are those that were measured or published."""

import json

import pytest

from benchmarks.report import front_sections
from emonet_voice.models import RELEASED, measured
from modeling_empathic.scoring.short_names import NANO, SHORT_NAMES, locate
from tests.support.command import run_command
from tests.support.places import REPOSITORY


@pytest.fixture(scope="module")
def rows() -> dict[str, dict]:
    code, out, _ = run_command("models", "--json")
    assert code == 0
    return {row["model"]: row for row in json.loads(out)["models"]}


@pytest.mark.parametrize("name", ["models", "speed"])
def test_the_readme_has_the_table_that_the_program_writes(name):
    readme = (REPOSITORY / "README.md").read_text()
    shown = readme.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0]
    assert shown == front_sections()[name], "python benchmarks/models.py renews it"


def test_there_is_a_row_for_every_short_name(rows):
    assert list(rows) == list(SHORT_NAMES) == ["nano", *RELEASED]


def test_sizes_follow_from_the_released_heads(rows):
    """73,734,849 parameters a Small head, 147,483,009 a Large one, 203,457 a pooled one."""
    small, large, pooled = 4 * 73_734_849, 4 * 147_483_009, 4 * 203_457
    assert RELEASED["small"].n_bytes == 55 * small
    assert RELEASED["large"].n_bytes == 55 * large
    assert RELEASED["plus"].n_bytes == 55 * small + 4 * pooled
    assert rows["small"]["download_gb"] == pytest.approx(16.22 + 0.967, abs=0.01)
    assert rows["large"]["disk_gb"] == pytest.approx(16.22 + 0.35, abs=0.02)


def test_agreement_is_the_papers(rows):
    assert (rows["small"]["spearman"], rows["large"]["spearman"]) == (0.418, 0.415)
    assert rows["large"]["spearman_macro"] > rows["small"]["spearman_macro"]
    assert rows["nano"]["spearman"] is None  # the raters' clips are not public here


def test_speed_and_memory_are_what_was_measured(rows):
    result = json.loads((REPOSITORY / "benchmarks" / "results" / "models.json").read_text())
    assert measured() == result
    for name in result["models"]:
        assert rows[name]["clips_per_s"] == result["models"][name]["clips_per_s"]
    taken = result["models"]["small"]
    beside = taken["peak_gb"] - taken["weights_gb"]
    assert rows["plus"]["memory_gb"] == pytest.approx(rows["plus"]["disk_gb"] + beside)


def test_the_table_fits_a_terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run_command("models")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    assert "small: real scores" in " ".join(out.split())


def test_a_short_name_is_that_model_in_any_case():
    assert locate(None) == locate("Nano") == str(NANO)
    assert locate("SMALL") == "laion/Empathic-Insight-Voice-Small"


def test_nano_by_its_name_is_the_built_in_one():
    from modeling_empathic.scoring.loading import load_model

    about = [
        load_model(name, revision=None, heads=["Anger"], device="cpu", dtype="auto")[2]
        for name in (None, "nano", str(NANO))
    ]
    assert about[0] == about[1] == about[2]
