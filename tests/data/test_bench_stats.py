"""Tables 3, 4, 9, 10 and Figure 1 from a folder written by hand."""

import json
import math
import re
import xml.etree.ElementTree

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dataset_scripts.agreement import alpha_by_emotion
from dataset_scripts.annotations import AGREEMENT_TYPES
from dataset_scripts.stats.bench import StatsError, read_ratings, stats
from dataset_scripts.stats.bench_plot import plot
from dataset_scripts.stats.bench_tables import as_markdown, as_text
from modeling_empathic.report.files import as_json
from modeling_empathic.taxonomy import BENCH_NAMES, UserError

CLIPS = [
    ("Anger", {"human-1": 2, "human-4": 1, "human-2": 2}),
    ("Anger", {"human-4": 0, "human-1": 0}),
    ("Pleasure/Ecstasy", {"human-1": 1, "human-4": 0}),
    ("Pleasure/Ecstasy", {"human-1": 1, "human-4": 1, "human-2": 0, "human-3": 0}),
    ("Awe", {"human-1": 1, "human-2": 1, "human-4": 1}),
    ("Awe", {"human-1": 1, "human-4": 1, "human-2": 2}),
]
CODES = pa.array([BENCH_NAMES.index(emotion) for emotion, _ in CLIPS], pa.int64())


def table(emotions=CODES, ratings=None, named=True, **columns) -> pa.Table:
    """The label columns as `datasets` writes them, and audio that must never be read."""
    cells = [[{"rater": r, "score": s} for r, s in by_rater.items()] for _, by_rater in CLIPS]
    kind = pa.list_(pa.struct({"rater": pa.string(), "score": pa.int8()}))
    features = {"emotion": {"names": list(BENCH_NAMES), "_type": "ClassLabel"}}
    made = pa.table(
        {
            "audio": pa.array([{"bytes": b"", "path": "x.mp3"}] * len(emotions)),
            "emotion": emotions,
            "ratings": pa.array(cells, kind) if ratings is None else ratings,
            **columns,
        }
    )
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return made.replace_schema_metadata(metadata if named else None)


def write(folder, *tables):
    (folder / "data").mkdir()
    for i, part in enumerate(tables):
        parquet.write_table(part, folder / "data" / f"emotions-other-{i:05}.parquet")
    return folder


@pytest.fixture
def bench(tmp_path):
    return write(tmp_path, table().slice(0, 2), table().slice(2))


def large(n_clips=60, names=BENCH_NAMES, seed=0) -> pa.Table:
    """`n_clips` of each category with two to four raters who agree a little."""
    rng = np.random.default_rng(seed)
    cells = []
    for _ in range(n_clips * len(names)):
        level, n = rng.normal(), rng.choice([2, 3, 4], p=[0.36, 0.61, 0.03])
        heard = level + rng.normal(size=n) * 1.5
        scores = np.digitize(heard, [-0.4, 0.6])
        raters = rng.choice(6, n, replace=False)
        cells.append(
            [{"rater": f"human-{r + 1}", "score": s} for r, s in zip(raters, scores, strict=True)]
        )
    return pa.table({"emotion": np.repeat(names, n_clips), "ratings": cells})


# --- reading --------------------------------------------------------------------------------------


def test_ratings_are_read_by_name_and_in_their_order(bench):
    items = read_ratings(bench)
    assert list(items.emotions) == [emotion for emotion, _ in CLIPS]
    assert items.names == ("human-1", "human-2", "human-3", "human-4")
    np.testing.assert_array_equal(items.scores[0], [2, 1, 2, np.nan])
    assert [items.names[code] for code in items.raters[3]] == [*CLIPS[3][1]]
    assert items.raters[1].tolist() == [3, 0, -1, -1]


def test_a_table_with_names_for_emotions_does_as_well(bench):
    emotions = pa.array([emotion for emotion, _ in CLIPS])
    for made in (table(emotions, named=False), table(emotions.dictionary_encode())):
        assert stats(made, n_resamples=5)["agreement"] == stats(bench, n_resamples=5)["agreement"]


def test_the_two_fields_of_a_rating_may_come_in_either_order():
    kind = pa.list_(pa.struct({"score": pa.int64(), "rater": pa.large_string()}))
    turned = [[{"score": s, "rater": r} for r, s in by_rater.items()] for _, by_rater in CLIPS]
    assert as_json(stats(table(ratings=pa.array(turned, kind)))) == as_json(stats(table()))


def test_the_audio_column_is_never_read(tmp_path):
    folder = write(tmp_path, table())
    file = next((folder / "data").iterdir())
    # What stands where the audio's pages are is overwritten: reading them would fail.
    column = parquet.ParquetFile(file).metadata.row_group(0).column(1)
    assert column.path_in_schema == "audio.path"
    start, raw = column.dictionary_page_offset, bytearray(file.read_bytes())
    raw[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    file.write_bytes(raw)
    with pytest.raises(OSError, match=r"."):
        parquet.read_table(file)
    assert stats(folder, n_resamples=5)["clips"] == 6


def _with(row: int, ratings) -> pa.Array:
    cells = [[{"rater": r, "score": s} for r, s in by_rater.items()] for _, by_rater in CLIPS]
    cells[row] = ratings
    return pa.array(cells, pa.list_(pa.struct({"rater": pa.string(), "score": pa.int64()})))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (table().drop(["ratings"]), "00001.parquet has no column ratings"),
        (table().drop(["emotion"]), "00001.parquet has no column emotion"),
        (table(named=False), "00001.parquet: emotion is a number, and the file has no names"),
        (table(pa.array([0, 1, 2, 3, 4, 42])), "column emotion (int64): "),
        (table(pa.array([0, 1, None, 3, 4, 5])), "00001.parquet: row 3 has no emotion"),
        (table(ratings=pa.array(["x"] * 6)), "00001.parquet: column ratings (string)"),
        (table(ratings=_with(3, [])), "row 4 has no ratings"),
        (table(ratings=_with(4, None)), "row 5 has no ratings"),
        (table(ratings=_with(1, [{"rater": "a", "score": 3}])), "row 2 has a score that is none"),
        (table(ratings=_with(5, [{"rater": "a", "score": None}])), "row 6 has a score that is"),
        (table(ratings=_with(2, [{"rater": None, "score": 1}])), "row 3 has a rating without a"),
        (table(ratings=_with(0, [{"rater": "a", "score": 1}] * 2)), "row 1 has two ratings by one"),
    ],
)
def test_labels_that_make_no_sense_are_refused_with_file_and_row(tmp_path, bad, message):
    folder = write(tmp_path, table(), bad)
    with pytest.raises(StatsError) as error:
        stats(folder)
    assert message in str(error.value)
    assert "data/emotions-other-00001.parquet" in str(error.value)


def test_a_folder_that_is_no_bench_is_refused(tmp_path):
    with pytest.raises(StatsError, match=r"is no built Bench: it has no data/\*\.parquet"):
        stats(tmp_path)
    with pytest.raises(StatsError, match="there are no clips"):
        stats(write(tmp_path, table().slice(0, 0)))
    (tmp_path / "data" / "emotions-other-00000.parquet").write_bytes(b"PAR1 torn off")
    with pytest.raises(StatsError, match=r"00000\.parquet is not a whole Parquet file"):
        stats(tmp_path)


# --- numbers --------------------------------------------------------------------------------------


def test_tables_3_4_and_9_by_hand(bench):
    result = stats(bench, n_resamples=5)
    assert (result["clips"], result["ratings"]) == (6, 17)
    assert result["raters_per_clip"] == {2: 2, 3: 3, 4: 1}
    assert {row["rater"]: row["clips"] for row in result["raters"]} == {
        "human-1": 6, "human-2": 4, "human-3": 1, "human-4": 6,
    }  # fmt: skip
    assert {(row["scale"], row["emotions_per_clip"]) for row in result["raters"]} == {("0-2", 1)}
    assert result["consensus"] == {
        "unanimous_present": 3, "unanimous_absent": 1, "unanimous": 4, "same_score": 2,
    }  # fmt: skip


def test_what_the_data_does_not_say_is_unknown_and_not_zero(bench):
    result = stats(bench, n_resamples=5)
    for name in ("languages", "voices", "mean_duration_s", "playtime_h"):
        assert result[name] is None
    text = as_text(result)
    for name in ("Language", "Voices", "Mean duration", "Playtime"):
        assert any(line.split() == [*name.split(), "unknown"] for line in text.splitlines())


def test_languages_voices_and_durations_are_counted_where_they_are_known():
    columns = {
        "language": ["de", "en", "en", None, "en", "en"],
        "voice": ["alloy"] * 3 + ["echo"] * 3,
    }
    result = stats(table(**columns, duration_s=[3.0, 4, 5, 6, 7, 11]), n_resamples=5)
    assert result["languages"] == {"en": 4, "de": 1, "unknown": 1}
    assert result["voices"] == {"alloy": 3, "echo": 3}
    assert (result["mean_duration_s"], result["playtime_h"]) == (6.0, pytest.approx(0.01))
    assert "6.00 s" in as_text(result)
    assert "0.01 h" in as_text(result)
    for broken in (None, float("nan"), 0.0):
        partly = stats(table(duration_s=[3.0, 4, 5, 6, 7, broken]), n_resamples=5)
        assert partly["mean_duration_s"] is partly["playtime_h"] is None


def test_a_column_that_only_some_files_have_is_unknown(tmp_path):
    folder = write(tmp_path, table(language=["en"] * 6), table())
    assert stats(folder, n_resamples=5)["languages"] is None


def test_table_10_is_sorted_and_undefined_rows_come_last_with_a_reason(bench):
    rows = stats(bench, n_resamples=50)["alpha"]
    assert [row["emotion"] for row in rows] == ["Anger", "Overall", "Pleasure/Ecstasy", "Awe"]
    expected = alpha_by_emotion(read_ratings(bench), n_resamples=50)
    for row in rows:
        alpha = expected[row["emotion"]]
        np.testing.assert_equal(
            (row["alpha"], row["ci_lower"], row["ci_upper"], row["n_items"]),
            (alpha.value, alpha.low, alpha.high, alpha.n),
        )
    assert rows[-1]["reason"] == "the scores do not vary"
    assert "Awe: the scores do not vary." in " ".join(as_text(stats(bench)).split())


def test_alpha_by_matrix_counts_the_emotions_without_a_value(bench):
    rows = {row["matrix"]: row for row in stats(bench, n_resamples=5)["alpha_by_matrix"]}
    assert rows["first_two"]["undefined_emotions"] == 1
    assert rows["complete"]["undefined_emotions"] == 2
    assert rows["complete"]["mean_of_emotions"] == 0  # of Awe alone: its third column varies alone
    nothing = stats(table().slice(1, 1), n_resamples=5)["alpha_by_matrix"][0]
    assert math.isnan(nothing["overall"])
    assert math.isnan(nothing["mean_of_emotions"])


def test_figure_1_counts_types_and_shares_of_raters(bench):
    rows = {row["emotion"]: row for row in stats(bench, n_resamples=5)["agreement"]}
    assert list(rows) == ["Overall", "Awe", "Anger", "Pleasure/Ecstasy"]
    assert {kind: n for kind, n in rows["Anger"]["types"].items() if n} == {
        "3:0 (+)": 1, "2:0 (-)": 1,
    }  # fmt: skip
    assert list(rows["Anger"]["types"]) == list(AGREEMENT_TYPES)
    assert rows["Anger"]["percent"] == {2: 50.0, 3: 50.0}
    assert rows["Overall"]["n"] == sum(rows["Overall"]["types"].values()) == 6


# --- how it looks ---------------------------------------------------------------------------------


def test_text_fits_80_columns_and_names_every_table():
    text = as_text(stats(large(), n_resamples=50))
    assert max(len(line) for line in text.splitlines()) <= 80
    for title in ("Table 3", "Table 4", "Table 9", "Table 10", "Figure 1", "kappa", "matrix"):
        assert title in text
    for name in ("Impatience and Irritability", "Intoxication", "Overall", "Authenticity"):
        # The ceiling's table has Pooled for Overall, and only what several have rated.
        assert sum(line.startswith(f"{name} ") for line in text.splitlines()) >= 3
    assert re.search(r"^Impatience and Irritability .*\[.*\[", text, re.MULTILINE)


def test_markdown_has_tables_of_one_width_and_escapes_names():
    result = stats(table(language=["a|b*[x](y)\x1b"] * 6), n_resamples=5)
    card = as_markdown(result)
    assert "\x1b" not in card
    assert "Language a\\|b\\*\\[x\\](y)�" in card
    for block in card.split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_text_shows_markup_and_control_characters_as_they_are():
    text = as_text(stats(table(language=["[red]de\x1b[2J"] * 6), n_resamples=5))
    assert "Language [red]de�[2J" in text


def test_json_has_null_for_what_is_undefined(bench):
    result = stats(bench, n_resamples=5)
    loaded = json.loads(as_json(result))
    assert loaded["languages"] is None
    undefined = next(row for row in loaded["alpha"] if row["emotion"] == "Awe")
    assert undefined["alpha"] is undefined["ci_lower"] is None
    assert undefined["reason"]
    assert loaded["clips"] == 6


def test_the_figure_names_every_emotion_and_number(tmp_path):
    result = stats(large(20), n_resamples=5)
    plot(result, tmp_path / "f.svg")
    text = "".join(xml.etree.ElementTree.parse(tmp_path / "f.svg").getroot().itertext())
    for row in result["agreement"]:
        assert row["emotion"].split("/")[0] in text
    for word in ("3:0 (+)", "1:1", "2:0 (-)", "%2r", "%3r", "%4r", "share of clips, %", "840"):
        assert word in text


def test_nothing_touches_the_figures_edge_however_long_the_names(tmp_path):
    from matplotlib.image import imread

    names = pa.array(["A $1 name$ that is longer than any of the 42 categories"] * 6)
    for name, made in (("full", large(2)), ("odd", table(names))):
        plot(stats(made, n_resamples=5), tmp_path / f"{name}.png")
        pixels = imread(tmp_path / f"{name}.png")[..., :3]
        for edge in (pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]):
            assert (edge == 1).all()


def test_the_same_statistics_give_the_same_svg(bench, tmp_path):
    result = stats(bench, n_resamples=5)
    for name in ("a.svg", "b.svg"):
        plot(result, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_figure_of_another_format_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"f\.pdf: choose a name that ends in \.png or \.svg"):
        plot({"agreement": []}, tmp_path / "f.pdf")
