"""Labels are read as data and never run; every fault of a shard is named with its file and row."""

import random
import resource
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from unicodedata import normalize

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from dataset_scripts.annotations import Rating
from dataset_scripts.corpora.raw_release import (
    MAX_LABEL_CHARS,
    RawReleaseError,
    parse_label,
    raw_files,
    read_clips,
    read_labels,
    text_columns,
)
from modeling_empathic.taxonomy import BENCH_NAMES
from tests.support.raw_release_maker import make_rows

GOOD = "[{'human-1': {'Shame': 1}}, {'human-4': {'Shame': 2}}]"
AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_shard(folder: Path, rows: list[dict], name: str = "train.parquet", **types) -> Path:
    """One raw shard; a row needs only what differs from a good one."""
    schema = pa.schema({"audioId": AUDIO, "label": pa.string(), **types})
    whole = [
        {"audioId": {"bytes": b"clip %d" % i, "path": f"{i}.mp3"}, "label": GOOD, **row}
        for i, row in enumerate(rows)
    ]
    parquet.write_table(pa.Table.from_pylist(whole, schema), folder / name)
    return folder / name


def test_a_label_gives_its_category_and_who_said_what():
    assert parse_label(GOOD) == ("Shame", [Rating("human-1", 1), Rating("human-4", 2)])


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Impatience%20and%20Irritability", "Impatience and Irritability"),
        ("Jealousy%20%26%20Envy", "Jealousy & Envy"),
        ("Jealousy & Envy", "Jealousy & Envy"),
        ("Sexual%20Lust", "Sexual Lust"),
        ("Emotional%20Numbness", "Emotional Numbness"),
        ("Pleasure", "Pleasure/Ecstasy"),
        ("Pleasure/Ecstasy", "Pleasure/Ecstasy"),
        ("Pleasure%2FEcstasy", "Pleasure/Ecstasy"),
        ("Hope", "Hope/Enthusiasm/Optimism"),
        ("Intoxication", "Intoxication/Altered States of Consciousness"),
        ("Arousal", "Arousal"),
        ("Authenticity", "Authenticity"),
    ],
)
def test_every_spelling_of_a_category_resolves(spelling, name):
    assert parse_label(f"[{{'human-1': {{'{spelling}': 0}}}}]")[0] == name
    assert parse_label(f'[{{"human-1":{{"{spelling}":0}}}}]')[0] == name


def test_two_spellings_of_one_category_are_one_category():
    label = "[{'a': {'Hope': 1}}, {'b': {'Hope/Optimism': 2}}]"
    assert parse_label(label)[0] == "Hope/Enthusiasm/Optimism"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("__import__('os').system('true')", "is not a list of"),
        ("[__import__('os').system('true')]", "is not a list of"),
        ("[{'human-1': {'Shame': __import__('os')}}]", "is not a list of"),
        ("[{'human-1': {'Shame': 1}} for _ in [0]]", "is not a list of"),
        ("{'human-1': {'Shame': 1}}", "is not a list of"),
        ("[{'human-1': {'Shame': {'x': 1}}}]", "is not a list of"),
        ("[{'human-1': {'Shame': 1, 'Anger': 2}}]", "is not a list of"),
        ("[{'human-1': {'Shame': 1}, 'human-2': {'Shame': 2}}]", "is not a list of"),
        ("[" * (MAX_LABEL_CHARS // 2), "is not a list of"),
        ("[{'a': {'Shame': " + "-" * 1_500 + "1}}]", "is not a list of"),
        ("[{'a\\x00': {'Shame': 1}}]", "is not a list of"),
        ("[{'a\n': {'Shame': 1}}]", "cannot be read"),
        ("[{'a': {'Shame': x}}]", "cannot be read"),
        ("[{'a': {'Shame': 1}}, {'b': {'Anger': 1}}]", "two categories in one label: Shame, Anger"),
        ("[{'a': {'Shame': 3}}]", "score 3 of 'a' is not one of 0, 1, 2"),
        ("[{'a': {'Shame': -1}}]", "score -1 of 'a'"),
        ("[{'a': {'Shame': True}}]", "score True of 'a'"),
        ("[{'a': {'Shame': 1.0}}]", "score 1.0 of 'a'"),
        ("[{'a': {'Shame': None}}]", "score None of 'a'"),
        ("[{'a': {'Shame': '1'}}]", "is not a list of"),
        ("[{'a': {'Shame': 1}}, {'a': {'Shame': 1}}]", "'a' rated twice"),
        ("[{'\u00e4': {'Shame': 1}}, {'a\u0308 ': {'Shame': 1}}]", "rated twice"),
        ("[]", "no ratings"),
        ("", "no label"),
        (None, "no label"),
        ("[{'a': {'Shamee': 1}}]", "unknown name 'Shamee'; nearest: Shame"),
        ("[{'a': {'Valence': 1}}]", "'Valence' is not one of the 42 categories"),
        (GOOD + " " * MAX_LABEL_CHARS, "label of 2,054 characters, over 2,000"),
    ],
)
def test_any_other_label_is_refused(label, message):
    with pytest.raises(RawReleaseError) as refused:
        parse_label(label)
    assert message in str(refused.value)
    assert len(str(refused.value)) < 300


def test_every_truncation_of_a_label_is_refused():
    for length in range(len(GOOD)):
        with pytest.raises(RawReleaseError):
            parse_label(GOOD[:length])


def test_a_label_that_is_code_is_not_run(tmp_path):
    harm = tmp_path / "harm"
    for code in (f"open({str(harm)!r}, 'w')", f"[open({str(harm)!r}, 'w')]"):
        with pytest.raises(RawReleaseError):
            parse_label(code)
    assert not harm.exists()


@given(st.text(max_size=80) | st.text("[]{}'\":,0123 -+._eaTruhm", max_size=80))
def test_no_text_raises_anything_but_its_own_error(text):
    with suppress(RawReleaseError):
        parse_label(text)


name = st.text(st.characters(exclude_characters="'\"{}\\", categories=("L", "N", "P")), min_size=1)
# An accent is one letter with its own, whoever wrote it.
raters = st.lists(name.map(partial(normalize, "NFC")), min_size=1, max_size=6, unique=True)


@given(raters, st.sampled_from(BENCH_NAMES), st.randoms(use_true_random=False))
def test_what_python_writes_is_read_back(names, category, rng):
    ratings = [Rating(name, rng.randrange(3)) for name in names]
    text = repr([{rater: {category: score}} for rater, score in ratings])
    if len(text) <= MAX_LABEL_CHARS:
        assert parse_label(text) == (category, ratings)


def test_the_maker_has_the_published_counts_at_full_size():
    rows = make_rows(1.0, random.Random(0))
    labels = [parse_label(label) for _, label, _ in rows]
    assert Counter(name for name, _ in labels) == dict.fromkeys(BENCH_NAMES, 300)
    assert Counter(len(ratings) for _, ratings in labels) == {2: 4538, 3: 7719, 4: 343}  # Table 4
    assert Counter(rating.rater for _, ratings in labels for rating in ratings) == {  # Table 9
        "human-1": 6837, "human-2": 6620, "human-3": 2600,
        "human-4": 11605, "human-5": 343, "human-6": 5600,
    }  # fmt: skip
    assert sum(all(rating.score for rating in ratings) for _, ratings in labels) == 4692
    paths = [path for path, _, _ in rows]
    assert len(paths) - len(set(paths)) == 197
    assert len({path[:8] for path in paths}) == 11_447


def test_labels_come_with_file_and_row(tmp_path):
    one = write_shard(tmp_path, [{}, {"label": "[{'a': {'Awe': 0}}]"}], "1.parquet")
    two = write_shard(tmp_path, [{}], "2.parquet")
    labels = [(label.file, label.row, label.emotion) for label in read_labels([one, two])]
    assert labels == [(one, 1, "Shame"), (one, 2, "Awe"), (two, 1, "Shame")]


def test_a_bad_label_is_named_by_file_and_row(tmp_path):
    shard = write_shard(tmp_path, [{}, {}, {"label": "[]"}])
    with pytest.raises(RawReleaseError, match=r"^train\.parquet, row 3: no ratings"):
        list(read_labels([shard]))
    with pytest.raises(RawReleaseError, match=r"^train\.parquet, row 3: no ratings"):
        list(read_clips(shard))


@pytest.mark.parametrize("audio", [None, {"bytes": None, "path": "a"}, {"bytes": b"", "path": "a"}])
def test_a_row_without_audio_is_named(tmp_path, audio):
    shard = write_shard(tmp_path, [{}, {"audioId": audio}])
    with pytest.raises(RawReleaseError, match=r"^train\.parquet, row 2: no audio"):
        list(read_clips(shard))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("0a1b2c3d.mp3", "0a1b2c3d.mp3"),
        ("/home/someone/a.mp3", "a.mp3"),
        ("../../etc/passwd", "passwd"),
        (r"C:\sounds\a.mp3", "a.mp3"),
        ("..", None),
        (None, None),
        ("", None),
    ],
)
def test_of_a_path_only_the_last_part_is_kept(tmp_path, path, name):
    shard = write_shard(tmp_path, [{"audioId": {"bytes": b"x", "path": path}}])
    assert next(read_clips(shard)).file_name == name


def test_the_bytes_pass_through_and_are_not_decoded(tmp_path):
    shard = write_shard(tmp_path, [{"audioId": {"bytes": b"\xff\xfb no mp3", "path": "a.mp3"}}])
    assert next(read_clips(shard)).audio == b"\xff\xfb no mp3"


def test_a_file_that_is_no_parquet_or_cut_off_is_named(tmp_path):
    shard = write_shard(tmp_path, [{}] * 50)
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(RawReleaseError, match=r"^train\.parquet is not a whole Parquet file"):
        list(read_labels([shard]))


def test_damage_inside_is_named_and_labels_can_be_read_beside_it(tmp_path):
    rows = [{"audioId": {"bytes": bytes(5_000) + b"%d" % i, "path": "a"}} for i in range(200)]
    shard = write_shard(tmp_path, rows)
    content = bytearray(shard.read_bytes())
    chunk = parquet.ParquetFile(shard).metadata.row_group(0).column(0)
    assert chunk.path_in_schema == "audioId.bytes"
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + 40] = b"\xff" * 40
    shard.write_bytes(content)
    with pytest.raises(RawReleaseError, match=r"^train\.parquet is damaged at row 1 or after"):
        list(read_clips(shard))
    assert len(list(read_labels([shard]))) == 200  # so the audio is not read for them


def test_a_missing_column_and_a_wrong_type_are_named(tmp_path):
    shard = tmp_path / "train.parquet"
    parquet.write_table(pa.table({"label": [GOOD]}), shard)
    with pytest.raises(RawReleaseError, match="has no column 'audioId'; it has 'label'"):
        list(read_labels([shard]))
    parquet.write_table(pa.table({"label": [GOOD], "audioId": [b"x"]}), shard)
    with pytest.raises(RawReleaseError, match="column 'audioId' is binary, not struct"):
        list(read_labels([shard]))
    write_shard(tmp_path, [{"label": 1}], label=pa.int64())
    with pytest.raises(RawReleaseError, match="column 'label' is int64, not string"):
        list(read_labels([shard]))


def test_text_columns_are_kept_where_every_shard_has_them(tmp_path):
    one = write_shard(tmp_path, [{"language": "de"}], "1.parquet", language=pa.string())
    two = write_shard(tmp_path, [{}], "2.parquet")
    assert (text_columns([one]), text_columns([two])) == (("language",), ())
    assert next(read_clips(one)).texts == {"language": "de"}
    assert next(read_clips(two)).texts == {}
    with pytest.raises(RawReleaseError, match=r"2\.parquet has the text columns \[\]"):
        text_columns([one, two])


def test_clips_are_streamed_however_large_the_row_group(tmp_path):
    rng = random.Random(0)
    rows = [{"audioId": {"bytes": rng.randbytes(100_000), "path": "a"}} for _ in range(400)]
    shard = write_shard(tmp_path, rows)
    # By default a page is only closed every 1,024 values, and a page has to be held whole.
    parquet.write_table(parquet.read_table(shard), shard, write_batch_size=8, use_dictionary=False)
    assert parquet.ParquetFile(shard).num_row_groups == 1
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() - before for _ in read_clips(shard))
    assert most < 15e6  # of 40 MB


def test_shards_are_found_in_data_and_in_order(tmp_path):
    (tmp_path / "data").mkdir()
    names = ["train-00001-of-00002.parquet", "train-00000-of-00002.parquet"]
    shards = [write_shard(tmp_path / "data", [{}], name) for name in names]
    assert raw_files(tmp_path) == (sorted(shards), None)
    alone = write_shard(tmp_path, [{}])
    assert raw_files(tmp_path) == (sorted(shards), None)
    for shard in shards:
        shard.unlink()
    assert raw_files(str(tmp_path)) == ([alone], None)


def test_a_source_that_is_nothing_is_refused(tmp_path):
    with pytest.raises(RawReleaseError, match=r"has no data/\*\.parquet"):
        raw_files(tmp_path)
    with pytest.raises(RawReleaseError, match="no such folder, and not a Hub id"):
        raw_files("no-such-folder")
    with pytest.raises(RawReleaseError, match="a revision is for a source on the Hub"):
        raw_files(tmp_path, "main")
    with pytest.raises(RawReleaseError, match=r"^no/such: no such folder, and not to be had"):
        raw_files("no/such")  # the tests are offline


def test_a_hub_id_is_downloaded_at_one_commit(tmp_path, monkeypatch):
    import huggingface_hub

    asked = {}
    snapshot = tmp_path / "snapshots" / "0123abc"
    (snapshot / "data").mkdir(parents=True)
    shard = write_shard(snapshot / "data", [{}])

    def snapshot_download(repo_id, **options):
        asked.update(options, repo_id=repo_id)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert raw_files("owner/name", "v1") == ([shard], "0123abc")
    assert asked == {
        "repo_id": "owner/name", "repo_type": "dataset", "revision": "v1",
        "allow_patterns": "*.parquet",
    }  # fmt: skip


def bomb(file: Path, label: str, rows: int, audio: bytes = b"sound") -> None:
    kinds = {"audioId": pa.struct([("bytes", pa.binary()), ("path", pa.string())])}
    table = pa.table(
        {
            "audioId": pa.array([{"bytes": audio, "path": "a.mp3"}] * rows, kinds["audioId"]),
            "label": pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [label]).cast(
                pa.string()
            ),
        }
    )
    parquet.write_table(table, file, compression="zstd")


def test_a_long_label_in_every_row_is_refused_before_it_is_repeated(tmp_path):
    file = tmp_path / "a.parquet"
    bomb(file, "x" * 10**6, rows=600)
    assert file.stat().st_size < 20_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RawReleaseError, match="a label of 1,000,000 bytes, over 8,000, at row 1"):
        list(read_labels([file]))
    with pytest.raises(RawReleaseError, match="a label of 1,000,000 bytes"):
        list(read_clips(file))
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    )  # kB; it has 600 MB


def test_a_long_label_in_few_rows_is_refused_before_it_is_unpacked(tmp_path):
    file = tmp_path / "a.parquet"
    bomb(file, "x" * 10**8, rows=1)
    assert file.stat().st_size < 20_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RawReleaseError, match="column 'label' unpacks to 100,0"):
        list(read_labels([file]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_an_audio_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path):
    file = tmp_path / "a.parquet"
    bomb(file, "[{'human-1': {'Awe': 1}}]", rows=3, audio=bytes(2**24))
    with pytest.raises(RawReleaseError, match=r"column 'audioId\.bytes' unpacks to"):
        list(read_clips(file))
