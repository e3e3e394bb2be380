"""Several wordings of one question, and their mean."""

import json

import pytest

from evaluate_metrics.adapters.ensemble import combine
from evaluate_metrics.adapters.prompt import INSTRUCTIONS, make_prompt
from evaluate_metrics.bench.predictions import read_predictions


def test_the_mean_is_of_what_was_scored_and_a_failure_stays_one(tmp_path):
    files = [tmp_path / f"{i}.csv" for i in range(2)]
    files[0].write_text("clip_id,emotion,score,outcome\na,Awe,2,scored\na,Pain,,refused\n"
                        "a,Fear,4,scored\n")  # fmt: skip
    files[1].write_text("clip_id,emotion,score,outcome\na,Awe,6,scored\na,Pain,,parse_error\n"
                        "a,Fear,,refused\n")  # fmt: skip
    counts = combine(files, tmp_path / "both.parquet", "made")
    assert (counts["outcomes"]["scored"], counts["outcomes"]["refused"]) == (2, 1)
    both = read_predictions(tmp_path / "both.parquet")
    scores = {row["emotion"]: row["score"] for row in both.rows.to_pylist()}
    assert (scores["Awe"], scores["Fear"]) == (4, 4)
    assert both.provenance["ensemble"] == {"prompts": 2, "mean_sd_over_prompts": 2.0}
    assert json.dumps(both.provenance)


@pytest.mark.parametrize("wording", range(len(INSTRUCTIONS)))
def test_every_wording_asks_for_the_same_keys(wording):
    prompt = make_prompt(wording=wording)
    assert len(prompt.keys) == 40
    assert all(f"{key}: " in prompt.text or f"{key}\n" in prompt.text for key in prompt.keys)
    assert "exactly these 40 keys" in prompt.text
    assert len({make_prompt(wording=i).sha256 for i in range(len(INSTRUCTIONS))}) == 3
