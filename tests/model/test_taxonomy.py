"""The taxonomy against the paper's tables, and every spelling of a name against its canonical."""

import csv
import math
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling_empathic import taxonomy
from modeling_empathic.taxonomy import (
    ATTRIBUTES,
    BENCH_NAMES,
    EMODB_CLASSES,
    EMOTION_NAMES,
    EMOTIONS,
    HEAD_NAMES,
    HUME_TABLE_8,
    HUME_TO_EMOTION,
    HUME_WITHOUT_HEAD,
    QUALITIES,
    RAVDESS_CLASSES,
    Emotion,
    UnknownNameError,
    head,
    resolve,
    to_0_10,
)
from tests.support.places import SHARED

TABLES = SHARED / "tables"
needs_tables = pytest.mark.skipif(
    not TABLES.is_dir(), reason=f"the paper's tables are not at {TABLES}"
)


def read(table: str) -> list[dict[str, str]]:
    with (TABLES / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@needs_tables
def test_every_cell_of_the_taxonomy_table_is_in_the_emotions():
    rows = read("taxonomy.csv")
    assert [row["emotion"] for row in rows] == list(EMOTION_NAMES)
    for row, emotion in zip(rows, EMOTIONS, strict=True):
        assert row["head_stem"] == emotion.stem
        assert row["bench_label"] == emotion.bench_label
        assert (row["emodb"] or None, row["ravdess"] or None) == (emotion.emodb, emotion.ravdess)
        assert tuple(row["descriptors"].split("; ")) == emotion.descriptors
        spellings = "bench_label_encoded", "table6_name", "table10_name", "table11_name"
        assert {resolve(row[column]) for column in spellings} == {emotion.name}


@needs_tables
def test_every_name_of_tables_6_10_and_11_resolves():
    table_6 = {resolve(row["emotion"]) for row in read("table6_spearman_by_emotion.csv")}
    table_10 = {row["emotion"] for row in read("table10_cronbach_alpha.csv")} - {"Overall"}
    table_11 = {resolve(row["emotion"]) for row in read("table11_coarse_mapping.csv")}
    assert table_6 == table_11 == set(EMOTION_NAMES)
    assert set(map(resolve, table_10)) == set(BENCH_NAMES)


@needs_tables
def test_the_hume_mapping_is_table_8_word_for_word():
    rows = read("table8_hume_mapping.csv")
    assert [(r["hume_label"], r["taxonomy_label"] or None) for r in rows] == [*HUME_TABLE_8.items()]


def test_there_are_40_emotions_15_attributes_and_4_qualities():
    assert (len(EMOTIONS), len(ATTRIBUTES), len(QUALITIES)) == (40, 15, 4)
    assert len(set(HEAD_NAMES)) == 59
    assert HEAD_NAMES[:40] == EMOTION_NAMES
    assert len(set(BENCH_NAMES)) == 42


def test_table_11_maps_37_emotions_to_emodb():
    sizes = {name: len(emotions) for name, emotions in EMODB_CLASSES.items()}
    assert sizes == {
        "anger": 4,
        "boredom": 1,
        "disgust": 3,
        "fear": 3,
        "happiness": 12,
        "neutral": 5,
        "sadness": 9,
    }
    unmapped = {e.name for e in EMOTIONS if e.emodb is None}
    assert unmapped == {"Awe", "Sexual Lust", "Intoxication/Altered States of Consciousness"}


def test_table_11_maps_39_emotions_to_ravdess():
    sizes = {name: len(emotions) for name, emotions in RAVDESS_CLASSES.items()}
    assert sizes == {
        "angry": 5,
        "calm": 5,
        "disgust": 5,
        "fearful": 3,
        "happy": 10,
        "neutral": 2,
        "sad": 5,
        "surprised": 4,
    }
    assert [e.name for e in EMOTIONS if e.ravdess is None] == ["Sexual Lust"]


def test_no_emotion_is_in_two_coarse_classes():
    for classes in (EMODB_CLASSES, RAVDESS_CLASSES):
        members = [emotion for emotions in classes.values() for emotion in emotions]
        assert len(members) == len(set(members))
        assert set(members) <= set(EMOTION_NAMES)


def test_the_hume_mapping_leads_to_heads_only():
    targets = [target for target in HUME_TO_EMOTION.values() if target is not None]
    assert len(HUME_TO_EMOTION) == 26
    assert len(targets) == 26 - 6 - len(HUME_WITHOUT_HEAD)
    assert set(targets) <= set(HEAD_NAMES)
    assert [t for t in targets if t not in EMOTION_NAMES] == ["Arousal"]
    assert HUME_TO_EMOTION["Surprise (positive)"] == "Astonishment/Surprise"


def test_hume_targets_said_to_have_no_head_have_none():
    for target in HUME_WITHOUT_HEAD:
        with pytest.raises(UnknownNameError):
            resolve(target)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Hope_Optimism", "Hope/Enthusiasm/Optimism"),
        ("Hope/Optimism", "Hope/Enthusiasm/Optimism"),
        ("Intoxication_Altered_States", "Intoxication/Altered States of Consciousness"),
        ("Intoxication/Altered States", "Intoxication/Altered States of Consciousness"),
        ("Jealousy_Envy", "Jealousy & Envy"),
        ("Jealousy___Envy", "Jealousy & Envy"),
        ("Jealousy/ Envy", "Jealousy & Envy"),
        ("Jealousy%20%26%20Envy", "Jealousy & Envy"),
        ("jealousy and envy", "Jealousy & Envy"),
        ("model_Jealousy_&_Envy_best.pth", "Jealousy & Envy"),
        ("High_Pitched_vs._Low_Pitched", "High-Pitched vs. Low-Pitched"),
        ("model_High-Pitched_vs._Low-Pitched_best.pth", "High-Pitched vs. Low-Pitched"),
        ("model_elation_best.pth", "Elation"),
        ("impatience_irritability", "Impatience and Irritability"),
        ("Impatience%20and%20Irritability", "Impatience and Irritability"),
        ("Pain_best", "Pain"),
        ("Age_best", "Age"),
        ("Surprise", "Astonishment/Surprise"),
        ("score_overall_quality", "Overall Quality"),
        ("model_score_content_enjoyment_best.pth", "Content Enjoyment"),
    ],
)
def test_spellings_seen_in_public_code_resolve(spelling, name):
    assert resolve(spelling) == name


def test_every_head_is_found_by_each_of_its_own_spellings():
    for name in HEAD_NAMES:
        entry = head(name)
        spellings = [entry.stem, entry.file_name, f"{entry.stem}_best", *entry.aliases]
        if isinstance(entry, Emotion):
            spellings += [entry.bench_label, quote(entry.bench_label)]
        assert {resolve(spelling) for spelling in spellings} == {name}


@given(
    name=st.sampled_from(HEAD_NAMES),
    case=st.sampled_from([str, str.lower, str.upper, str.swapcase]),
    space=st.sampled_from([" ", "_", "  ", "-"]),
    encode=st.sampled_from([str, quote, quote_plus, lambda text: quote(text, safe="")]),
    wrap=st.sampled_from(["{}", "{}_best", "model_{}_best.pth", " {} "]),
)
def test_resolve_is_total_and_idempotent_over_variations(name, case, space, encode, wrap):
    spelling = wrap.format(encode(case(name.replace(" ", space))))
    assert resolve(spelling) == name
    assert resolve(resolve(spelling)) == resolve(spelling)


@given(st.text(max_size=40))
def test_any_other_text_is_a_head_or_one_kind_of_error(text):
    try:
        assert resolve(text) in HEAD_NAMES
    except UnknownNameError as err:
        assert repr(text) in str(err)


def test_an_unknown_name_is_answered_with_the_three_nearest():
    with pytest.raises(UnknownNameError, match=r"'Angr'; nearest: Anger, [\w ]+, [\w ]+$"):
        resolve("Angr")


@pytest.mark.parametrize("name", ["", "  ", "and", "Overall", "not Anger", "Anger中", "a" * 10**6])
def test_names_that_are_no_spelling_are_refused(name):
    with pytest.raises(UnknownNameError):
        resolve(name)


def test_two_heads_that_share_a_spelling_are_refused():
    twin = Emotion("Rage", "Rage", "Rage", None, None, (), aliases=("ANGER",))
    with pytest.raises(AssertionError, match="'ANGER' names both 'Anger' and 'Rage'"):
        taxonomy._index([head("Anger"), twin])


def test_heads_that_run_against_their_name_say_so():
    reversed_names = [a.name for a in ATTRIBUTES if "reverse" in a.polarity]
    assert reversed_names == ["Warm vs. Cold", "Soft vs. Harsh"]


def test_the_polarity_of_pitch_stays_unknown():
    assert [a.name for a in ATTRIBUTES if a.polarity == "unknown"] == [
        "High-Pitched vs. Low-Pitched"
    ]


def test_every_head_has_a_scale_group_and_polarity():
    for name in HEAD_NAMES:
        low, high = head(name).scale
        assert low < high
        assert head(name).polarity
    assert [head(name).group for name in HEAD_NAMES] == (
        ["emotion"] * 40 + ["attribute"] * 15 + ["quality"] * 4
    )


@given(st.floats(allow_nan=False))
def test_to_0_10_is_the_clipped_linear_map(score):
    assert to_0_10(score) == pytest.approx(min(10.0, max(0.0, 2.5 * score)))


def test_a_missing_score_is_not_a_zero():
    assert math.isnan(to_0_10(math.nan))


def test_nearest_names_are_looked_for_only_where_they_are_shown(monkeypatch):
    """A table of a million rows may have columns that are no heads: each was a difflib search."""
    import copy
    import difflib

    with monkeypatch.context() as patched:
        patched.setattr(difflib, "get_close_matches", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(UnknownNameError) as error:
            resolve("Aww")
    assert str(error.value) == "unknown name 'Aww'; nearest: Awe, Age, Pain"
    again = copy.copy(error.value)  # as pickle does, and so as it comes from another process
    assert str(again) == str(error.value)
    assert str(UnknownNameError("said by somebody")) == "said by somebody"
