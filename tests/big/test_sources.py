"""Public layouts are read, and what strangers put into them does no harm."""

import io
import json
import tarfile
import tracemalloc

import pyarrow as pa
import pytest
from pyarrow import parquet

from dataset_scripts.packing.clips import PackingError
from dataset_scripts.packing.sources import MOST_JSON, read
from modeling_empathic.taxonomy import EMOTION_NAMES, HEAD_NAMES, head
from tests.support.big_maker import clip_rows, flac, make_clips, make_scored

RAW = {f"{head(name).stem}_best": 0.1 * n - 0.5 for n, name in enumerate(HEAD_NAMES)}
"""59 raw scores as LAION writes them: 55 heads, 4 of quality, some beyond the scale."""


def member(archive, name, content, **changes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(content))


def found_in(source, **options):
    found = list(read(source, **options))
    return [one for one in found if one.row], {
        one.name: one.left_out for one in found if one.left_out
    }


def test_a_public_tar_gives_clips_with_what_its_name_and_its_json_say(tmp_path):
    file = tmp_path / "de_coral_intense_joy_vocalbursts_fixed.tar"
    said = {"annotation": "<transcription_start> Hallo! <transcription_end>", "emotions": RAW}
    with tarfile.open(file, "w") as archive:
        member(archive, "a.mp3", flac(0))
        member(archive, "a.json", json.dumps(said).encode())
        member(archive, "b.json", json.dumps(RAW | {"caption": "Mild awe."}).encode())
        member(archive, "b.mp3", flac(1))
        member(archive, "c.mp3", flac(2))
        member(archive, "d.json", b"{}")
    [first, second], left_out = found_in(file)
    assert (first.row["language"], first.row["voice"], first.row["text"]) == (
        "de",
        "coral",
        "Hallo!",
    )
    assert first.row["audio"] == {"bytes": flac(0), "path": "a.mp3"}
    assert first.row["emotion_scores"][0] == 0.0  # -0.5 as it came
    assert first.row["emotion_scores"][-1] == pytest.approx(3.4)
    assert first.row["caption"] and second.row["caption"] == "Mild awe."
    assert first.row["emotion"] is None and first.row["voice_gender"] is None
    assert left_out == {"c.mp3": "no scores", "d": "no audio"}
    assert [one.name for one in found_in(file, unscored=True)[0]] == ["a.mp3", "b.mp3", "c.mp3"]


def test_unpacked_clips_with_a_json_of_59_raw_scores_each(tmp_path):
    (tmp_path / "in/deep").mkdir(parents=True)
    for seed, name in enumerate(("deep/x", "y", "z")):
        (tmp_path / f"in/{name}.flac").write_bytes(flac(seed))
    (tmp_path / "in/deep/x.json").write_text(json.dumps(RAW))
    (tmp_path / "in/y.json").write_text(
        json.dumps({k: v for k, v in RAW.items() if k != "Awe_best"})
    )
    (tmp_path / "secret.json").write_text(json.dumps(RAW))
    (tmp_path / "in/z.json").symlink_to(tmp_path / "secret.json")
    (tmp_path / "in/w.flac").symlink_to(tmp_path / "in/y.flac")
    [one], left_out = found_in(tmp_path / "in")
    assert one.name == "deep/x.flac"
    assert one.row["emotion_scores"][1] == 0.0 and len(one.row["emotion_scores"]) == 40
    assert left_out == {"y.flac": "39 of 40 scores: none for Awe", "z.flac": "no scores"}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"<html>", "JSON that cannot be read"),
        (b"[" * 100_000, "JSON that cannot be read"),
        (b"[]", "JSON that cannot be read"),
        (json.dumps(RAW | {"Awe_best": "N/A"}).encode(), "Awe: 'N/A' is not a number"),
        (json.dumps(RAW | {"Awe_best": float("inf")}).encode(), "Awe: inf is outside 0 to 4"),
        (json.dumps(RAW | {"Awe": 1}).encode(), "Awe: several scores"),
        (json.dumps(RAW | {"Awe_best": 10**300 * 10**100}).encode(), "is outside 0 to 4"),
        (b'{"emotions": null}', "no scores"),
        (json.dumps(RAW).encode()[:-1] + b', "Awe_best": 4}', "JSON that cannot be read"),
    ],
)
def test_scores_that_are_none_are_the_clips_own_reason(tmp_path, said, reason):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member(archive, "a.mp3", flac(0))
        member(archive, "a.json", said)
    kept, left_out = found_in(tmp_path / "a.tar")
    assert kept == [] and reason in left_out["a.mp3"]


def test_hostile_members_of_a_tar_are_named_and_nothing_is_written(tmp_path):
    (tmp_path / "place").mkdir()
    file = tmp_path / "place/evil.tar"
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
        member(archive, "../../up.mp3", flac(0))
        member(archive, "/abs.mp3", flac(0))
        member(archive, "link.mp3", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        member(archive, "hard.mp3", b"", type=tarfile.LNKTYPE, linkname="good.mp3")
        member(archive, "pipe.mp3", b"", type=tarfile.FIFOTYPE)
        member(archive, "huge.json", b" " * (MOST_JSON + 1))
        member(archive, "tell\x1b[2J.mp3", flac(3))
        member(archive, "good.mp3", flac(1))
        member(archive, "good.json", json.dumps(RAW).encode())
    before = sorted(tmp_path.rglob("*"))
    kept, left_out = found_in(file)
    assert [one.name for one in kept] == ["good.mp3"]
    assert left_out == {
        "../../up.mp3": "unsafe path",
        "/abs.mp3": "unsafe path",
        "link.mp3": "a link",
        "hard.mp3": "a link",
        "pipe.mp3": "no file",
        "huge.json": "too large",
        r"tell\x1b[2J.mp3": "no scores",
    }
    assert sorted(tmp_path.rglob("*")) == before


def test_of_a_tar_that_is_cut_off_or_lies_about_sizes_the_first_part_is_kept(tmp_path):
    file = tmp_path / "cut.tar"
    with tarfile.open(file, "w") as archive:
        for n in range(3):
            member(archive, f"{n}.mp3", flac(n))
            member(archive, f"{n}.json", json.dumps(RAW).encode())
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    kept, left_out = found_in(file)
    assert [one.name for one in kept] == ["0.mp3"]
    assert list(left_out.values()) == ["the archive is damaged from here on"]
    sparse = tarfile.TarInfo("bomb.mp3")
    sparse.size, sparse.pax_headers = 512, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                            "GNU.sparse.realsize": str(2**40)}  # fmt: skip
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(sparse, io.BytesIO(b"1\n0\n512\n".ljust(512, b"\0")))
    assert set(found_in(file)[1].values()) <= {"too large", "the archive is damaged from here on"}


def test_a_tar_of_nothing_but_nested_headers_is_damaged(tmp_path):
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        header = tarfile.TarInfo("x")
        header.type, header.size = kind, 9
        file = tmp_path / "a.tar"
        file.write_bytes((header.tobuf() + b"9 path=a\n".ljust(512, b"\0")) * 2_000)
        assert list(found_in(file)[1].values()) == ["the archive is damaged from here on"]


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_what_stands_behind_a_header_is_not_read_where_it_is_gigabytes(kind, tmp_path):
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 2**31
    file = tmp_path / "a.tar"
    file.write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    with file.open("rb+") as stream:
        stream.truncate(2**31 + 2**20)  # a hole, which takes no room on the disk
    tracemalloc.start()
    try:
        assert list(found_in(file)[1].values()) == ["the archive is damaged from here on"]
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("change", "n", "reason"),
    [
        (lambda tar, at: tar[: at + 100] + b"?" + tar[at + 101 :], 1, "damaged from here on"),
        (lambda tar, at: tar[: at + 300], 1, "damaged from here on"),
        (lambda tar, at: tar[:at], 2, "stops without the mark of its end"),
    ],
    ids=["a header is damaged", "cut off in a header", "cut off between members"],
)
def test_an_archive_that_is_not_whole_is_never_taken_for_one_that_is(change, n, reason, tmp_path):
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as archive:
        for number in range(3):
            member(archive, f"{number}.mp3", flac(number))
            member(archive, f"{number}.json", json.dumps(RAW).encode())
    with tarfile.open(file) as archive:
        place = archive.getmember("2.mp3").offset
    file.write_bytes(change(file.read_bytes(), place))
    kept, left_out = found_in(file)
    assert len(kept) == n and [why.partition("archive ")[2] for why in left_out.values()] == [
        reason if n == 2 else f"is {reason}"
    ]


@pytest.mark.parametrize("size", [10**12, 2**63 - 1])
@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_of_more_bytes_than_any_disk_is_the_end_and_is_not_waited_for(
    kind, size, tmp_path
):
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as archive:
        for number in range(2):
            member(archive, f"{number}.mp3", flac(number))
        place = archive.offset
    endless = tarfile.TarInfo("b.mp3")
    endless.size = size
    file.write_bytes(file.read_bytes()[:place] + endless.tobuf(kind) + bytes(10_240))
    [kept], left_out = found_in(file, unscored=True)
    assert kept.name == "0.mp3"
    assert left_out == {"b.mp3": "too large", "1": "the archive is damaged from here on"}


def test_what_stands_behind_the_end_of_an_archive_is_said_and_padding_is_not(tmp_path):
    one, two = tmp_path / "1.tar", tmp_path / "2.tar"
    for number, file in enumerate((one, two)):
        with tarfile.open(file, "w") as archive:
            member(archive, f"{number}.mp3", flac(number))
    both = tmp_path / "both.tar"
    both.write_bytes(one.read_bytes() + bytes(10**6))
    assert found_in(both, unscored=True)[1] == {}
    both.write_bytes(one.read_bytes() + two.read_bytes())
    assert list(found_in(both, unscored=True)[1].values()) == [
        "the archive is damaged from here on"
    ]


def test_what_macos_puts_between_the_members_of_a_clip_is_passed_over(tmp_path):
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as archive:
        for name, content in (("a.mp3", flac(0)), ("a.json", json.dumps(RAW).encode())):
            member(archive, f"x/._{name}", b"Mac OS X")
            member(archive, f"x/{name}", content)
    [clip], left_out = found_in(file)
    assert clip.name == "x/a.mp3" and left_out == {}


def test_members_of_one_name_are_counted_and_the_first_is_kept(tmp_path):
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as archive:
        for seed, name in enumerate(("a.mp3", "a.json", "a.mp3", "a.MP3", "a.wav", "a.json")):
            said = json.dumps(RAW).encode()
            member(archive, name, said if name.endswith("n") else flac(seed))
    [first], left_out = found_in(file)
    assert first.row["audio"]["bytes"] == flac(0)
    assert set(left_out) == {"a.mp3", "a.MP3", "a.wav", "a.json"}
    assert set(left_out.values()) == {"a second member of this name"}


def test_texts_that_parquet_cannot_hold_are_packed_without_what_it_cannot(tmp_path):
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as archive:
        member(archive, "a.mp3", flac(0))
        member(archive, "a.json", json.dumps(RAW | {"text": "Oh \ud800!\n"}).encode())
    [clip], _ = found_in(file)
    assert clip.row["text"] == "Oh ?!\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"emotion_scores": [1.0] * 39}, "39 of 40 scores"),
        ({"emotion_scores": [5.0] * 40}, "Amusement: 5.0 is outside 0 to 4"),
        ({"emotion_scores": [float("nan")] * 40}, "Amusement: nan is not a number"),
        ({"emotion_scores": [None] * 40}, "Amusement: None is not a number"),
        ({"clip_id": "0" * 64}, "scores of other audio"),
    ],
)
def test_scores_that_somebody_wrote_into_the_table_are_checked(tmp_path, change, reason):
    made = make_scored(tmp_path / "out", 2)
    table = parquet.read_table(made / "scores.parquet")
    first, second = table.to_pylist()
    parquet.write_table(
        pa.Table.from_pylist([first | change, second], table.schema), made / "scores.parquet"
    )
    [whole], left_out = found_in(made)
    assert whole.name == second["id"] and left_out == {first["id"]: reason}
    parquet.write_table(table.drop_columns(["id"]), made / "scores.parquet")
    with pytest.raises(PackingError, match="has no column id"):
        found_in(made)


def test_a_compressed_tar_and_what_is_no_source_are_refused(tmp_path):
    from dataset_scripts.packing.sources import fingerprint

    (tmp_path / "a.tar.gz").write_bytes(b"x")
    for name, message in (("a.tar.gz", "has to be unpacked"), ("nothing.tar", "is not there")):
        with pytest.raises(PackingError, match=message):
            fingerprint(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda out, row: (out / row["path"]).unlink(), "audio is missing"),
        (lambda out, row: (out / row["path"]).write_bytes(b"RIFF"), "audio is not what was made"),
    ],
)
def test_audio_of_a_folder_that_is_not_what_was_made_is_left_out(tmp_path, change, reason):
    out = make_scored(tmp_path / "out", 2)
    change(out, clip_rows(out)[0])
    kept, left_out = found_in(out)
    assert len(kept) == 1
    assert left_out == {clip_rows(out)[0]["id"]: reason}


def test_a_folder_whose_missing_clip_has_come_is_another_source_and_otherwise_the_same(tmp_path):
    from dataset_scripts.packing.pack import pack

    out, packed = make_scored(tmp_path / "out", 3), tmp_path / "packed"
    late = out / clip_rows(out)[1]["path"]
    content = late.read_bytes()
    for then in (None, content[:9]):  # not there yet, or half of it
        late.unlink() if then is None else late.write_bytes(then)
        assert pack([out], packed).manifest["counts"]["clips"] == 2
    assert pack([out], packed).n_new == 0
    late.write_bytes(content)
    assert pack([out], packed).n_new == 1
    assert pack([out], packed).n_new == 0


def test_a_clip_that_goes_while_its_folder_is_packed_is_packed_once_it_is_back(tmp_path):
    from dataset_scripts.packing.pack import pack

    out, packed = make_scored(tmp_path / "out", 4), tmp_path / "packed"
    last = out / clip_rows(out)[3]["path"]
    content = last.read_bytes()
    pack([out], packed, progress=lambda done: last.unlink(missing_ok=True))
    last.write_bytes(content)
    assert pack([out], packed).n_new == 1
    assert pack([out], packed).n_new == 0


def test_a_table_cannot_lead_out_of_its_folder(tmp_path):
    (tmp_path / "secret.flac").write_bytes(flac(0))
    for path in (
        "../x.flac",
        str(tmp_path / "x.flac"),
        "audio/link.flac",
        "audio/loop",
        "",
        "a\0b",
    ):
        out = make_scored(tmp_path / "out", 1)
        (out / "audio/link.flac").unlink(missing_ok=True)
        (out / "audio/link.flac").symlink_to(tmp_path / "secret.flac")
        (out / "audio/loop").unlink(missing_ok=True)
        (out / "audio/loop").symlink_to("loop")
        make_clips(out, 1, path=path)
        assert list(found_in(out)[1].values()) == ["unsafe path"]
    make_clips(out, 1, id=None)
    with pytest.raises(PackingError, match="a clip has no id"):
        found_in(out)


def test_emotions_asked_for_are_classes_in_the_papers_order(tmp_path):
    out = make_scored(tmp_path / "out", 3)
    kept, _ = found_in(out)
    assert [EMOTION_NAMES[one.row["emotion"]] for one in kept] == list(EMOTION_NAMES[:3])
    assert kept[0].row["prompt_id"] == clip_rows(out)[0]["id"]
