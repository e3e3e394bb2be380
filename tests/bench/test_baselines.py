"""Baselines that cost nothing: against scikit-learn and plain loops, and what they must not see."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evaluate_metrics.bench import baselines as module
from evaluate_metrics.bench.baselines import (
    MIN_CLIPS,
    N_FOLDS,
    acoustic_ridge,
    baselines,
    folds,
    rater_mean_by_emotion,
)
from evaluate_metrics.bench.typed_json import encode
from evaluate_metrics.emonet_voice import aggregate, rows_by_emotion
from modeling_empathic.taxonomy import EMOTION_NAMES

AWE, PAIN = EMOTION_NAMES[11], EMOTION_NAMES[34]


def made(n=60, seed=0, *, n_features=4, signal=1.0, n_voices=0):
    """A Bench of two emotions with `n` clips each; the first feature tells of the rating."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_features, 2 * n))
    felt = signal * features[0] + rng.normal(size=2 * n)
    columns = {
        "clip_id": [f"clip {i}" for i in range(2 * n)],
        "emotion": [AWE] * n + [PAIN] * n,
        "mean_0_10": np.digitize(felt, [-1, 0, 1]) * 10 / 3,
        **{f"acoustics_{i}": column for i, column in enumerate(features)},
    }
    if n_voices:
        columns["voice"] = [f"voice {i}" for i in rng.integers(n_voices, size=2 * n)]
    return pa.table(columns)


def changed(bench, **columns):
    for name, values in columns.items():
        if name in bench.column_names:
            bench = bench.drop_columns(name)
        bench = bench.append_column(name, pa.array(values, from_pandas=True))
    return bench


def array(bench, name):
    return np.array(bench[name].to_pylist(), dtype=float)


# --- Folds ----------------------------------------------------------------------------------------


def test_without_voices_folds_are_alike_in_emotions_and_ratings():
    bench = made(100)
    fold, emotions = folds(bench), np.array(bench["emotion"].to_pylist())
    for name in (AWE, PAIN):
        counts = np.bincount(fold[emotions == name], minlength=N_FOLDS)
        assert counts.max() - counts.min() <= 1
        ratings = array(bench, "mean_0_10")[emotions == name]
        means = [ratings[fold[emotions == name] == i].mean() for i in range(N_FOLDS)]
        assert max(means) - min(means) < 0.7


def test_a_voice_is_in_one_fold_and_a_clip_without_one_stands_for_itself():
    voices = [f"v{i % 7}" for i in range(60)] + [None] * 30 + [""] * 30
    fold = folds(changed(made(), voice=voices))
    assert [len({*fold[i:60:7]}) for i in range(7)] == [1] * 7
    assert {*fold[60:]} == {*range(N_FOLDS)}


def test_a_clip_that_is_judged_for_two_emotions_is_in_one_fold():
    fold = folds(changed(made(), clip_id=[f"clip {i}" for i in range(60)] * 2))
    assert (fold[:60] == fold[60:]).all()


def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_rows():
    bench, order = made(n_voices=9), np.random.default_rng(1).permutation(120)
    assert (folds(bench.take(order)) == folds(bench)[order]).all()
    assert (folds(made(), seed=1) != folds(made())).any()


# --- Against other implementations ----------------------------------------------------------------


def test_the_rater_mean_is_that_of_a_plain_loop():
    bench = made(23)
    ratings = array(bench, "mean_0_10")
    ratings[[0, 30]] = np.nan
    bench = changed(bench, mean_0_10=ratings)
    fold, emotions = folds(bench), bench["emotion"].to_pylist()
    expected = []
    for i in range(len(ratings)):
        others = [
            ratings[j]
            for j in range(len(ratings))
            if emotions[j] == emotions[i] and fold[j] != fold[i] and not np.isnan(ratings[j])
        ]
        expected.append(sum(others) / len(others))
    assert rater_mean_by_emotion(bench) == pytest.approx(expected)


@pytest.mark.parametrize("signal", [0.5, 3.0])
def test_the_ridge_is_scikit_learns_with_gaps_constants_and_unrated_clips(monkeypatch, signal):
    penalties = np.array([1.0, 30, 1000])
    monkeypatch.setattr(module, "PENALTIES", penalties)
    bench = made(40, signal=signal, n_features=5)
    rng = np.random.default_rng(2)
    gaps = array(bench, "acoustics_0")
    gaps[rng.random(80) < 0.2] = np.nan
    infinite = np.where(rng.random(80) < 0.1, np.inf, array(bench, "acoustics_1"))
    ratings = array(bench, "mean_0_10")
    ratings[[5, 50]] = np.nan
    never = pa.nulls(80, pa.float64())
    bench = changed(
        bench, acoustics_0=gaps, acoustics_1=infinite, acoustics_2=[0.1] * 80, mean_0_10=ratings
    ).append_column("acoustics_never", never)

    names = [name for name in bench.column_names if name.startswith("acoustics_")]
    features = np.stack([array(bench, name) for name in names], axis=1)
    features[np.isinf(features)] = np.nan
    fold, rated, expected = folds(bench), ~np.isnan(ratings), np.empty(80)
    for rows in (np.arange(40), np.arange(40, 80)):
        for held in range(N_FOLDS):
            train = rows[rated[rows] & (fold[rows] != held)]
            test = rows[fold[rows] == held]
            imputer = SimpleImputer(strategy="median", keep_empty_features=True)
            search = GridSearchCV(
                make_pipeline(imputer, StandardScaler(), Ridge()),
                {"ridge__alpha": penalties},
                cv=PredefinedSplit(fold[train]),
                scoring=lambda model, x, y: -np.square(model.predict(x) - y).sum(),
            )
            search.fit(features[train], ratings[train])
            expected[test] = search.predict(features[test])
    assert acoustic_ridge(bench) == pytest.approx(np.clip(expected, 0, 10), abs=1e-8)


def test_the_statistics_are_those_of_the_metric_on_the_rows_used():
    bench, used = made(), np.random.default_rng(3).random(120) < 0.6
    result = baselines(bench, used)["acoustic_ridge"]
    names = np.array(bench["emotion"].to_pylist())[used].tolist()
    expected = aggregate(
        acoustic_ridge(bench)[used], array(bench, "mean_0_10")[used], rows_by_emotion(names)
    )
    assert {name: encode(result)[name] for name in expected} == expected
    assert (result.n, result.left_out) == (used.sum(), {})


# --- What must not be seen ------------------------------------------------------------------------


@pytest.mark.parametrize("predict", [rater_mean_by_emotion, acoustic_ridge])
def test_a_prediction_does_not_depend_on_the_ratings_of_its_own_fold(monkeypatch, predict):
    bench = made()
    fold = folds(bench)
    monkeypatch.setattr(module, "folds", lambda *_, **__: fold)
    before = predict(bench)
    ratings = array(bench, "mean_0_10")
    ratings[fold == 2] = 10 - ratings[fold == 2]
    after = predict(changed(bench, mean_0_10=ratings))
    assert (after[fold == 2] == before[fold == 2]).all()
    assert (after[fold != 2] != before[fold != 2]).any()


def test_a_voice_that_is_recognised_does_not_help():
    rng = np.random.default_rng(4)
    voice = rng.integers(30, size=400)
    of_voice = rng.normal(size=(30, 22))[voice]  # what each voice sounds like
    rating = np.clip(5 + 3 * rng.normal(size=30)[voice], 0, 10)  # and how it is rated, by chance
    columns = {
        "clip_id": [f"{i}" for i in range(400)],
        "emotion": [AWE] * 400,
        "mean_0_10": rating,
        **{f"acoustics_{i}": column for i, column in enumerate(of_voice.T)},
    }
    by_clip = pa.table(columns)
    by_voice = pa.table(columns | {"voice": [f"{i}" for i in voice]})
    assert np.corrcoef(acoustic_ridge(by_clip), rating)[0, 1] > 0.7
    assert np.corrcoef(acoustic_ridge(by_voice), rating)[0, 1] < 0.3


def test_features_that_say_nothing_correlate_by_nothing_rather_than_below_zero():
    result = []
    for seed in range(20):
        bench = made(100, seed)
        bench = changed(bench, **{f"acoustics_{i}": [0.0] * 200 for i in range(4)})
        result.append(baselines(bench, np.full(200, True))["acoustic_ridge"]["macro_pearson"])
    assert abs(np.mean(result)) < 0.05


# --- What cannot be learnt ------------------------------------------------------------------------


def test_an_emotion_with_few_rated_clips_is_left_out_with_a_reason():
    bench, rare = made(), MIN_CLIPS - 1
    bench = bench.slice(0, 60 + rare)
    result = baselines(bench, np.full(len(bench), True))["acoustic_ridge"]
    assert result.left_out == {PAIN: f"{rare} rated clips; at least {MIN_CLIPS} are needed"}
    assert result.n == result.per_emotion[AWE].n == 60
    assert np.isnan(result.per_emotion[PAIN]["mae"])
    assert not np.isnan(result["mae"])


def test_a_single_voice_leaves_nothing_to_learn_from():
    bench = changed(made(), voice=["the voice"] * 120)
    for result in baselines(bench, np.full(120, True)).values():
        assert result.n == 0 and np.isnan(result["mae"])
        assert "rated clips in 1 of 5 folds" in result.left_out[AWE]


def test_the_rater_mean_has_pooled_correlations_and_none_within_emotions():
    bench = made()
    ratings = array(bench, "mean_0_10")
    ratings[60:] = np.maximum(ratings[60:], 5)
    result = baselines(changed(bench, mean_0_10=ratings), np.full(120, True))["rater_mean"]
    assert result["pearson"] > 0.1
    assert np.isnan([result["macro_spearman"], result.per_emotion[AWE]["pearson"]]).all()
    assert "does not tell clips apart" in result.undefined["macro_pearson"]
    assert not np.isnan(result["macro_mae"])


def test_without_acoustic_columns_there_is_no_ridge():
    bench = made().select(["clip_id", "emotion", "mean_0_10"])
    assert acoustic_ridge(bench) is None
    assert [*baselines(bench, np.full(120, True))] == ["rater_mean"]


def test_the_note_says_how_folds_were_made_and_what_was_missing():
    bench = changed(made(n_voices=9), acoustics_0=[None] * 30 + [1.0] * 90)
    note = baselines(bench, np.full(120, True))["acoustic_ridge"].note
    assert "4 acoustic features; 5 folds by voice; 30 of 480 values missing" in note


def test_a_bench_without_rows_has_undefined_baselines():
    bench = made().slice(0, 0)
    for result in baselines(bench, np.empty(0, bool)).values():
        assert result.n == 0 and np.isnan(result["mae"])
