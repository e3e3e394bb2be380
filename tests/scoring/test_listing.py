"""Which files are clips: nothing is passed over without a word, no list stops at a bad line."""

from collections import Counter
from pathlib import Path

import pytest

from modeling_empathic.scoring.listing import (
    AUDIO_SUFFIXES,
    ScoringError,
    find_audio,
    passed_over_line,
    read_list,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "a.wav",
        "b.3gp",
        "sub/c.mov",
        "sub/d.spx",
        "notes.txt",
        "more.txt",
        "x.pdf",
        "README",
    ):
        path = Path("d", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_films_and_phones_files_are_clips():
    assert find_audio(["d"]) == ["d/a.wav", "d/b.3gp", "d/sub/c.mov", "d/sub/d.spx"]


@pytest.mark.parametrize("given", ["d", "d/**", "d/*"])
def test_what_is_left_out_is_counted_by_its_suffix(given):
    left_out: Counter[str] = Counter()
    find_audio([given], passed_over=left_out)
    assert left_out == {".txt": 2, ".pdf": 1, "no suffix": 1}
    assert passed_over_line(left_out).startswith("4 files passed over: .txt 2, ")


def test_typescript_is_no_film():
    Path("d/film.ts").write_bytes(b"G@\0\x10" + bytes(184))
    Path("d/film.mts").write_bytes(b"\0\0\0\0G@\0\x10" + bytes(184))
    Path("d/index.d.ts").write_text("export {}")
    left_out: Counter[str] = Counter()
    found = find_audio(["d"], passed_over=left_out)
    assert {"d/film.ts", "d/film.mts"} <= set(found) and left_out[".ts"] == 1


def test_a_folder_of_other_files_says_which():
    Path("e").mkdir()
    Path("e/a.docx").touch()
    with pytest.raises(ScoringError, match=r"no audio found in e .*; 1 file passed over: \.docx"):
        find_audio(["e"])


@pytest.mark.parametrize("url", ["https://example.org/a.wav", "hf://datasets/a/b.wav", "s3://b/a"])
def test_addresses_are_not_read_and_that_is_said(url):
    with pytest.raises(ScoringError, match="addresses are not read"):
        find_audio([url])
    assert find_audio([url], listed=True) == [url]


def test_a_bad_line_of_a_list_is_kept_to_become_a_row():
    assert find_audio(["d/a.wav", "gone.wav", "d/b.3gp"], listed=True) == [
        "d/a.wav", "gone.wav", "d/b.3gp",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"d/a.wav\nd/b.3gp\n",
        b"d/a.wav\r\nd/b.3gp",
        b"\xef\xbb\xbfd/a.wav\nd/b.3gp\n",
        "\ufeffd/a.wav\r\nd/b.3gp\r\n".encode("utf-16-le"),
        "\ufeffd/a.wav\nd/b.3gp\n".encode("utf-16-be"),
        b"d/a.wav\0d/b.3gp\0",
        b"\"d/a.wav\"\n'd/b.3gp'\n",
        b"d/a.wav  \n\td/b.3gp\n\n   \n",
    ],
    ids=["plain", "CRLF", "BOM", "UTF-16-LE", "UTF-16-BE", "print0", "quoted", "spaces"],
)
def test_a_list_is_read_as_other_programs_write_it(content):
    assert read_list(content) == ["d/a.wav", "d/b.3gp"]


def test_a_name_that_really_has_quotes_or_spaces_is_left_alone():
    for name in ('"q".wav', " s.wav", "t.wav "):
        Path(name).touch()
    assert read_list(b'"q".wav\n s.wav\nt.wav \n') == ['"q".wav', " s.wav", "t.wav "]


def test_a_name_that_is_no_utf8_survives():
    assert read_list(b"\xff.wav\n") == ["\udcff.wav"]


def test_suffixes_are_lower_case_and_none_is_named_twice():
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in AUDIO_SUFFIXES)
    assert len(set(AUDIO_SUFFIXES)) == len(AUDIO_SUFFIXES)
