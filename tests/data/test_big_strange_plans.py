"""Plans of strangers: rows of gigabytes, other scripts, edited while they are read."""

import unicodedata
from importlib.util import find_spec

import pyarrow as pa
import pytest
from pyarrow import parquet

from dataset_scripts.generation import generate as generating
from dataset_scripts.generation.generate import GenerationError, generate
from dataset_scripts.generation.plan import SCHEMA, pieces
from dataset_scripts.packing.pack import pack
from tests.support.command import run_command
from tests.support.speech_maker import COPY, write_sounds, write_texts

espeak = pytest.mark.skipif(find_spec("espeakng_loader") is None, reason="the extra generate")


def write_plan(path, *changes):
    """A row a change; each is what differs from a row of ours."""
    rows = next(iter(pieces(44, 0)))[: len(changes)]
    rows = [row | change for row, change in zip(rows, changes, strict=True)]
    parquet.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return path


def rows_of(out):
    return parquet.read_table(out / "clips.parquet").to_pylist()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_sounds(tmp_path_factory.mktemp("sounds"))


@pytest.mark.parametrize(
    ("rows", "cells", "message"),
    [
        (10, ["x" * 2 * 10**7] * 2, r"10 rows of \d+ MB: texts that are spoken have less"),
        (4_000, ["x" * 2 * 10**6], "prompt='x+.*, of more than 1,048,576 bytes"),
    ],
)
def test_a_cell_of_megabytes_is_refused_in_a_line(rows, cells, message, tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", ["x"] * rows)
    table = parquet.read_table(plan)
    column = pa.array(cells + ["p"] * (rows - len(cells)), pa.string())
    place = table.column_names.index("prompt")
    table = table.set_column(place, "prompt", column)
    parquet.write_table(table, plan, compression="snappy", use_dictionary=False)
    assert plan.stat().st_size < 4 * 10**6
    with pytest.raises(GenerationError, match=message) as error:
        generate(plan, tmp_path / "out", COPY)
    assert len(str(error.value)) < 300 and not (tmp_path / "out").exists()


def test_a_row_group_is_bounded_and_the_error_says_how_to_write_it(files, tmp_path, monkeypatch):
    monkeypatch.setattr("dataset_scripts.generation.plan_checks.MOST_GROUP_BYTES", 40_000)
    plan = write_texts(tmp_path / "plan.parquet", [str(files["HTML"])] * 60)
    with pytest.raises(GenerationError, match=r"60 rows of .*: write it with row_group_size=20000"):
        generate(plan, tmp_path / "out", COPY, attempts=1)
    parquet.write_table(parquet.read_table(plan), plan, row_group_size=10)
    assert generate(plan, tmp_path / "out", COPY, attempts=1) == {"decode_error": 60}


def test_a_plan_that_changes_between_check_and_copy_is_not_spoken(files, tmp_path, monkeypatch):
    plan = write_texts(tmp_path / "plan.parquet", [str(files["good"])])
    check = generating._check_plan

    def edited(path):
        check(path)
        plan.write_bytes(b"other")

    monkeypatch.setattr(generating, "_check_plan", edited)
    with pytest.raises(GenerationError, match="changed while it was read"):
        generate(plan, tmp_path / "out", COPY)
    assert not (tmp_path / "out/plan.parquet").exists()


@pytest.mark.parametrize("edit", ["another plan", "no plan"])
def test_a_copy_that_changes_while_it_is_spoken_is_not_taken_for_what_was_spoken(
    edit, files, tmp_path
):
    plan = write_texts(tmp_path / "plan.parquet", [str(files["good"])] * 3)
    other = write_texts(tmp_path / "other.parquet", [str(files["stereo 44.1 kHz"])] * 3)
    copy = tmp_path / "out/plan.parquet"

    def change(done, total):
        copy.write_bytes(other.read_bytes() if edit == "another plan" else b"PAR1")

    with pytest.raises(GenerationError, match=r"plan\.parquet (was changed while|cannot be read)"):
        generate(plan, tmp_path / "out", COPY, progress=change)
    assert not (tmp_path / "out/clips.parquet").exists()
    copy.write_bytes(plan.read_bytes())
    assert generate(plan, tmp_path / "out", COPY) == {"spoken": 3}


@pytest.mark.parametrize("character", ["\0", "\x01", "\x1b", "\x7f", "\x85"])
def test_control_characters_are_no_text_for_any_engine(character, tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", [f"a{character}b"])
    assert generate(plan, tmp_path / "out", COPY) == {"refused": 1}
    (row,) = rows_of(tmp_path / "out")
    assert row["reason"] == f"a control character in the text: U+{ord(character):04X}"
    assert row["attempts"] == 1


def test_a_cell_that_no_program_can_be_given_is_refused_once_and_for_all(tmp_path):
    plan = write_plan(tmp_path / "plan.parquet", {"accent": "a\0b"}, {"prompt": "x" * 2**18})
    engine = "cp {text}{accent}{prompt} {output}"
    assert generate(plan, tmp_path / "out", engine) == {"refused": 2}
    assert [
        next(word for word in ("null byte", "too long") if word in row["reason"])
        for row in rows_of(tmp_path / "out")
    ] == ["null byte", "too long"]


@espeak
def test_what_espeak_cannot_say_is_refused_and_does_not_end_the_run(tmp_path):
    """Six rows in a row that nothing can be said for are no sign of a broken engine."""
    odd = [
        {"language": name} for name in ("xx", "", "../../etc/passwd", "en\0x", "en+f1", "e" * 999)
    ]
    plan = write_plan(tmp_path / "plan.parquet", *odd, {"text": " \n"}, {"language": "de"})
    counts = generate(plan, tmp_path / "out", attempts=1)
    assert counts["refused"] == 7 and counts.get("transport_error", 0) == 0
    assert all("unknown v" in row["reason"] for row in rows_of(tmp_path / "out")[:6])
    assert rows_of(tmp_path / "out")[7]["outcome"] == "spoken"


@espeak
def test_texts_of_other_scripts_are_spoken_packed_and_come_back_as_they_were(tmp_path):
    texts = {
        "ar": "صباح الخير يا أصدقاء، كيف حالكم اليوم في هذا الصباح الجميل؟",
        "he": "בוקר טוב לכולם, מה שלומכם היום בבוקר היפה הזה?",
        "ja": "おはようございます、きょうはとてもいいてんきですね。",
        "en": "She said <break time='3s'/> & left \u202eהיום\u202c 😀 today, I do not know why.",
    }
    changes = [{"language": name, "text": text} for name, text in texts.items()]
    plan = write_plan(tmp_path / "plan.parquet", *changes)
    generate(plan, tmp_path / "out")
    rows = [row for row in rows_of(tmp_path / "out") if row["outcome"] == "spoken"]
    assert len(rows) >= 2
    pack([tmp_path / "out"], tmp_path / "packed", unscored=True)
    packed = [
        row
        for file in sorted((tmp_path / "packed/data").iterdir())
        for row in parquet.read_table(file).to_pylist()
    ]
    assert {row["text"] for row in packed} == {row["text"] for row in rows}
    code, shown, _ = run_command(
        "big", "build", tmp_path / "out", tmp_path / "packed", "--unscored"
    )
    assert code == 0 and not any(unicodedata.category(c) == "Cc" for c in shown if c != "\n")
