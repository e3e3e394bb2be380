"""The whole metric: what counts, what is left out and counted, macro, floors, headline."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from evaluate_metrics.emonet_voice import (
    OUTCOMES,
    STATISTICS,
    MetricError,
    compute,
    count_outcomes,
    floors,
    rows_by_emotion,
)
from modeling_empathic.taxonomy import EMOTION_NAMES

NAMES = list(STATISTICS)
KEYS = [
    *NAMES,
    *(f"macro_{name}" for name in NAMES),
    *("per_emotion", "intervals", "outcomes", "floors", "headline", "undefined"),
]


def made(n=60, seed=0):
    rng = np.random.default_rng(seed)
    references = rng.choice([0, 2.5, 10 / 3, 5, 7.5, 10], n)
    predictions = np.clip(references + rng.normal(scale=4, size=n), 0, 10)
    return predictions, references, [EMOTION_NAMES[i % 4] for i in range(n)]


def run(*columns, **settings):
    return compute(*columns, **{"n_resamples": 0, **settings})


def plain(result: dict) -> str:
    """Text that is equal where numbers are, NaN included."""
    return json.dumps(result)


# --- Output ---------------------------------------------------------------------------------------


def test_the_output_has_these_keys_and_is_plain_json():
    result = compute(*made(), n_resamples=20)
    assert list(result) == KEYS
    assert plain(json.loads(plain(result))) == plain(result)


def test_statistics_equal_pandas_scipy_and_scikit_learn_by_emotion():
    p, r, names = made()
    result = run(p, r, names)
    frame = pd.DataFrame({"p": p, "r": r, "emotion": names})
    expected = frame.groupby("emotion")[["p", "r"]].apply(
        lambda rows: pd.Series(
            {
                "mae": mean_absolute_error(rows.r, rows.p),
                "rmse": root_mean_squared_error(rows.r, rows.p),
                "pearson": scipy_stats.pearsonr(rows.p, rows.r).statistic,
                "spearman": scipy_stats.spearmanr(rows.p, rows.r).statistic,
            }
        )
    )
    for name in NAMES:
        of_emotions = {emotion: row[name] for emotion, row in result["per_emotion"].items()}
        assert of_emotions == pytest.approx(expected[name].to_dict())
        assert result[f"macro_{name}"] == pytest.approx(expected[name].mean())
    assert result["spearman"] == pytest.approx(scipy_stats.spearmanr(p, r).statistic)
    assert {row["n"] for row in result["per_emotion"].values()} == {15}


def test_pooled_and_macro_can_rank_two_systems_differently():
    references = [0, 0, 5, 5, 5, 5, 10, 10]
    names = ["Awe"] * 4 + ["Pain"] * 4
    knows_names = [1, 2, 1, 2, 8, 9, 8, 9]
    hears = [1, 2, 3, 4, 1, 2, 3, 4]
    of_names, of_voices = run(knows_names, references, names), run(hears, references, names)
    assert of_names["pearson"] > of_voices["pearson"]
    assert of_names["macro_pearson"] < of_voices["macro_pearson"]


def test_headline_is_flat_and_repeats_the_figures():
    result = run([1, 2, 3, None], [1, 3, 2, 5], ["Awe", "Awe", "Awe", "Pain"])
    assert {name: result["headline"][name] for name in NAMES} == {n: result[n] for n in NAMES}
    rest = {"rows": 4, "used": 3, "emotions": 2, "emotions_left_out": 1}
    assert {name: result["headline"][name] for name in rest} == rest


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing_but_rounding(random):
    columns = list(zip(*made(), random.choices(OUTCOMES, k=60), strict=True))
    first = compute(*zip(*columns, strict=True), n_resamples=30)
    second = compute(*zip(*random.sample(columns, 60), strict=True), n_resamples=30)
    assert second["headline"] == pytest.approx(first["headline"], nan_ok=True)
    assert second["outcomes"] == first["outcomes"]
    for name in KEYS[:8]:
        assert second["intervals"][name] == pytest.approx(first["intervals"][name], nan_ok=True)


# --- Scales ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "factor"), [("0-10", 1), ("0-4", 2.5), ("0-1", 10), ("0-2", 5)])
def test_scales_are_declared_and_give_the_same_figures(scale, factor):
    p, r, names = made()
    expected = run(p, r, names)["headline"]
    assert run(p / factor, r, names, scale=scale)["headline"] == pytest.approx(expected)
    ratings = run(p, r / factor, names, reference_scale=scale)["headline"]
    assert ratings == pytest.approx(expected)


def test_predictions_beyond_their_scale_are_clipped_and_counted():
    result = run([-0.5, 2, 4.2, 4], [0, 5, 10, 10], scale="0-4")
    assert result["mae"] == 0
    assert result["outcomes"]["clipped"] == 2


def test_a_reference_off_its_scale_is_refused_with_its_row():
    with pytest.raises(MetricError, match=r"reference 5 \(row 2\) is off .* '0-2'"):
        run([1, 2], [2, 5], reference_scale="0-2")


# --- Outcomes -------------------------------------------------------------------------------------


def test_failures_are_counted_by_kind_and_never_enter_the_statistics():
    p, r, names = made(12)
    outcomes = ["scored"] * 6 + list(OUTCOMES)
    result = run([*p[:6], *[0.0] * 6], r, names, outcomes)
    kept = run([*p[:6], 0.0], r[:7], names[:7])
    assert [result[name] for name in NAMES] == [kept[name] for name in NAMES]
    assert {name: result["outcomes"][name] for name in OUTCOMES} == {
        **dict.fromkeys(OUTCOMES, 1),
        "scored": 7,
    }
    assert result["outcomes"]["refusal_rate"] == 1 / 12
    assert result["outcomes"]["failure_rate"] == 5 / 12


def test_a_join_that_loses_the_slashed_names_is_unmapped_and_not_refused():
    names = ["Pleasure/Ecstasy", "Fatigue/Exhaustion", "Awe", "Pain"] * 10
    outcomes = ["unmapped" if "/" in name else "scored" for name in names]
    p, r, _ = made(40)
    result = run(np.where(np.array(outcomes) == "scored", p, np.nan), r, names, outcomes)
    assert result["outcomes"]["unmapped"] == 20
    assert result["outcomes"]["refusal_rate"] == 0
    assert result["per_emotion"]["Pleasure/Ecstasy"]["outcomes"]["unmapped"] == 10
    assert result["per_emotion"]["Awe"]["outcomes"] == count_outcomes(["scored"] * 10)
    left_out = "2 of 4 emotions left out: Pleasure/Ecstasy, Fatigue/Exhaustion"
    assert result["undefined"]["macro_mae"] == left_out


def test_rows_without_a_number_are_left_out_and_counted():
    result = run([1, None, math.nan, math.inf, 5, 6], [1, 2, 3, 4, None, 6])
    assert result["mae"] == 0
    counts = {"rows": 6, "scored": 6, "without_prediction": 3, "without_reference": 1, "used": 2}
    assert {name: result["outcomes"][name] for name in counts} == counts


@given(st.lists(st.sampled_from(OUTCOMES)))
def test_every_row_has_exactly_one_outcome(outcomes):
    n = len(outcomes)
    result = run([1.0] * n, [1.0] * n, None, outcomes)["outcomes"]
    assert sum(result[name] for name in OUTCOMES) == result["rows"] == n


def test_every_spelling_of_an_emotion_is_that_emotion():
    spellings = ["Pleasure/Ecstasy", "Pleasure_Ecstasy", "pleasure ecstasy", "Pleasure"]
    result = run([1, 2, 3, 4], [4, 3, 2, 1], spellings)["per_emotion"]
    assert {name: row["n"] for name, row in result.items()} == {"Pleasure/Ecstasy": 4}


# --- Undefined ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        ([], []),
        ([], [], []),
        ([None, None], [1, 2], ["Awe", "Pain"]),
        ([1, 2], [1, 2], ["Awe", "Pain"], ["refused", "refused"]),
    ],
)
def test_without_anything_scored_all_is_nan_with_reasons(columns):
    result = compute(*columns, n_resamples=10)
    for name in KEYS[:8]:
        assert math.isnan(result[name])
        assert result["undefined"][name]
        assert math.isnan(result["intervals"][name]["low"])
        assert result["intervals"][name]["reason"]


def test_one_clip_has_errors_and_no_correlation():
    result = compute([3], [5], ["Awe"], n_resamples=10)
    assert result["mae"] == result["macro_rmse"] == 2
    assert result["undefined"]["per_emotion"]["Awe"] == dict.fromkeys(
        ["pearson", "spearman"], "1 row; at least two are needed"
    )


def test_macro_leaves_out_emotions_without_a_value_and_says_which():
    result = run([1, 2, 3, 5, 5], [1, 2, 3, 0, 10], ["Awe", "Awe", "Awe", "Pain", "Pain"])
    assert result["macro_pearson"] == pytest.approx(1)
    assert result["undefined"]["macro_pearson"] == "1 of 2 emotions left out: Pain"
    assert result["macro_mae"] == 2.5
    assert "macro_mae" not in result["undefined"]


# --- Floors ---------------------------------------------------------------------------------------


def test_floors_equal_the_metric_of_their_predictors():
    _, r, names = made()
    mean_of = pd.Series(r).groupby(names).transform("mean")
    predictors = {
        "constant_mean": np.full(60, r.mean()),
        "constant_median": np.full(60, np.median(r)),
        "constant_5": np.full(60, 5.0),
        "constant_0": np.zeros(60),
        "emotion_mean": mean_of,
    }
    result = run(r, r, names)["floors"]
    assert list(result) == list(predictors)
    for name, predictor in predictors.items():
        expected = run(predictor, r, names)
        figures = {key: value for key, value in result[name].items() if key != "in_sample"}
        assert figures == pytest.approx({key: expected[key] for key in figures}, nan_ok=True)


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from("ab")), min_size=1))
def test_no_constant_beats_the_mean_in_rmse_and_the_median_in_mae(rows):
    r, names = (list(column) for column in zip(*rows, strict=True))
    result = floors(np.array(r), rows_by_emotion(names))
    best_rmse = min(result[name]["rmse"] for name in result if name != "emotion_mean")
    best_mae = min(result[name]["mae"] for name in result if name != "emotion_mean")
    assert result["constant_mean"]["rmse"] == pytest.approx(best_rmse, abs=1e-9)
    assert result["constant_median"]["mae"] == pytest.approx(best_mae, abs=1e-9)
    assert result["emotion_mean"]["rmse"] <= result["constant_mean"]["rmse"] + 1e-9


def test_floors_stand_on_the_rows_that_the_system_scored():
    result = run([1, 2, 3], [0, 0, 10], outcomes=["scored", "scored", "refused"])
    assert result["floors"]["constant_0"]["mae"] == 0


def test_floors_made_of_the_references_say_so():
    result = run(*made())["floors"]
    assert [name for name in result if result[name]["in_sample"]] == [
        "constant_mean",
        "constant_median",
        "emotion_mean",
    ]


# --- Inputs ---------------------------------------------------------------------------------------


def test_columns_may_be_series_with_any_index():
    p, r, names = made(20)
    frame = pd.DataFrame({"p": p, "r": r, "e": names, "g": [None, "x"] * 10}, index=range(50, 70))
    result = compute(frame.p, frame.r, frame.e, groups=frame.g, n_resamples=10)
    expected = compute(p, r, names, groups=[None, "x"] * 10, n_resamples=10)
    assert plain(result) == plain(expected)


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        (([1, 2], [1]), {}, "2 predictions, 1 references"),
        (([1], [1], ["a", "b"]), {}, "1 predictions, 1 references, 2 emotions"),
        (([1], [1], [""]), {}, r"emotion '' \(row 1\) is not a name"),
        (([1, 1], [1, 1], ["Awe", 3]), {}, r"emotion 3 \(row 2\) is not a name"),
        (([1, 1], [1, 1], ["Awe", "Angre"]), {}, "row 2.*'Angre'; nearest: Anger, .* from Am"),
        (([1], [1], None, ["lost"]), {}, r"outcome 'lost' \(row 1\) is not one of scored, refused"),
        (([1], [1]), {"scale": "0-100"}, "scale '0-100' is not one of 0-10, 0-4"),
        (([1], [1]), {"reference_scale": "mean"}, "scale 'mean' is not one of"),
        (([1], [1]), {"n_resamples": -1}, "n_resamples is -1"),
    ],
)
def test_inputs_that_make_no_sense_are_refused_by_name(columns, settings, message):
    with pytest.raises(MetricError, match=message):
        run(*columns, **settings)
