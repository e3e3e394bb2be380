"""A plan of Big is the paper's factorial in Table 2's proportions, the same for the same seed."""

import csv
from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pytest
from pyarrow import parquet

from dataset_scripts.generation.factors import STRATA, TOPICS, VOICES
from dataset_scripts.generation.plan import PlanError, clips_of, pieces, write_plan
from dataset_scripts.generation.plan_tables import shape
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.command import run_command
from tests.support.places import SHARED


@pytest.fixture(scope="module")
def rows():
    return [row for piece in pieces(22_000, 3) for row in piece]


def test_each_stratum_has_its_share_of_table_2_to_within_a_clip(rows):
    found = Counter((row["part"], row["language"], row["accent"]) for row in rows)
    for stratum in STRATA:
        assert abs(found[stratum[:3]] - len(rows) * stratum.hours / 4752) <= 1, stratum


def test_emotions_voices_and_topics_are_balanced_in_the_whole_and_in_every_stratum(rows):
    of_german = [row for row in rows if (row["part"], row["language"]) == ("factorial", "de")]
    assert len(of_german) > 3000
    for part in (rows, of_german):
        for column, values in (
            ("target_emotion", EMOTION_NAMES),
            ("voice", VOICES),
            ("topic", TOPICS),
        ):
            counts = Counter(row[column] for row in part)
            assert set(counts) == set(values)
            most = len(STRATA) if part is rows else 1
            assert max(counts.values()) - min(counts.values()) <= most, column


def test_3960_clips_in_succession_have_every_combination_once():
    (piece,) = list(pieces(3960 * 2, 0))[:1]
    spanish = [row for row in piece if row["language"] == "es"]
    seen = Counter((r["target_emotion"], r["voice"], r["topic"]) for r in spanish)
    assert max(seen.values()) == 1
    assert len({pair[:2] for pair in seen}) == 440


def test_a_plan_stopped_half_way_has_every_stratum_by_its_share(rows):
    half = rows[: len(rows) // 2]
    found = Counter((row["part"], row["language"], row["accent"]) for row in half)
    for stratum in STRATA:
        assert abs(found[stratum[:3]] - len(half) * stratum.hours / 4752) <= 2, stratum


def test_every_row_has_an_id_of_its_own_a_prompt_with_its_text_and_a_challenge_where_due(rows):
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows[:500]:
        assert row["text"] in row["prompt"] and row["target_emotion"] in row["prompt"]
        assert (row["accent"] in row["prompt"]) and (row["language"] == "en" or not row["accent"])
        assert bool(row["challenge"]) == (row["part"] == "acting_challenge")
        assert row["sex"] == VOICES[row["voice"]] and row["target_intensity"] in (1, 2, 3, 4)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_plan(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_plan(tmp_path / f"{name}.parquet", 300, seed)
    a, b, c = ((tmp_path / f"{name}.parquet").read_bytes() for name in "abc")
    assert a == b != c
    ids = [parquet.read_table(tmp_path / f"{n}.parquet")["id"].to_pylist() for n in "ac"]
    assert not set(ids[0]) & set(ids[1])


def test_forty_clips_already_have_every_emotion_and_voice():
    (rows,) = pieces(44, 0)
    assert {row["target_emotion"] for row in rows} == set(EMOTION_NAMES)
    assert {row["voice"] for row in rows} == set(VOICES)


@pytest.mark.real
@pytest.mark.skipif(not (SHARED / "tables").is_dir(), reason="the paper's tables are not here")
def test_the_hours_are_those_of_the_papers_table(tmp_path):
    summary = write_plan(tmp_path / "plan.parquet", 2000)
    ours = {name: line["table_2_hours"] for name, line in shape(summary).items()}
    with (SHARED / "tables" / "table2_big_hours.csv").open() as file:
        paper = {row["category"]: row["hours"] for row in csv.DictReader(file) if row["hours"]}
    names = {
        "Acting Chal. (en+de)": "Acting challenge",
        "No accent specified": "English, no accent",
    }
    for name, hours in paper.items():
        matching = [n for n in ours if names.get(name, name.split(" (")[0]).lower() in n.lower()]
        assert any(ours[n] == float(hours) for n in matching), name


def test_hours_become_clips_of_the_mean_length_in_bench():
    assert clips_of(4752) == round(4752 * 3600 / 10.36)
    for hours in (0, -1, float("nan"), float("inf"), 1e-9, 1e300, 1.7e308):
        with pytest.raises(PlanError, match="hours="):
            clips_of(hours)


def test_the_command_prints_table_2_and_what_each_expectation_assumes(tmp_path):
    plan = tmp_path / "plan.parquet"
    code, out, err = run_command("big", "plan", "--hours", "1", "--output", plan)
    assert code == 0 and f"Written to {plan}" in err
    for text in ("German", "4,752", "Valley Girl", "10.36 s a clip", "tokens/s", "espeak-ng"):
        assert text in out
    assert parquet.read_metadata(plan).num_rows == 347


def test_a_plan_that_is_there_is_left_alone_unless_it_is_the_same_one(tmp_path):
    plan, other = tmp_path / "plan.parquet", tmp_path / "scores.parquet"
    parquet.write_table(pa.table({"a": [1]}), other)
    ask = ("big", "plan", "--clips", "12", "--output")
    code, out, _ = run_command(*ask, plan)
    assert code == 0 and "Expected: 2.1 minutes of speech" in out
    before = plan.read_bytes()
    assert run_command(*ask, plan)[0] == 0
    for file, options, message in (
        (plan, ("--seed", "1"), "a plan of 12 clips, seed 0; choose another name, or delete"),
        (other, (), "is there and is no plan"),
    ):
        code, _, err = run_command(*ask, file, *options)
        assert code == 2 and message in err
    assert plan.read_bytes() == before and other.stat().st_size


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "choose --hours or --clips"),
        (["--hours", "1", "--clips", "9"], "choose --hours or --clips"),
        (["--clips", "0"], "--clips 0: it must be"),
        (["--clips", "9", "--seed", "-1"], "--seed -1: it must be"),
        (["--clips", "9", "--output", "plan.csv"], "ends in .parquet"),
    ],
)
def test_a_wrong_option_is_one_line(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command("big", "plan", "--output", "plan.parquet", *options)
    assert code == 2 and message in err and not out
    assert len(err.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_clips_of_a_stratum_are_spread_over_the_whole_plan(rows):
    at = [n for n, row in enumerate(rows) if row["accent"] == "Texan"]
    steps = [b - a for a, b in pairwise(at)]
    assert max(steps) < 1.2 * min(steps) + 2
