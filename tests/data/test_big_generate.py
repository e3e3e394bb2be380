"""A plan is spoken to its end: each outcome has its row, and a killed run loses nothing."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import closing

import pyarrow as pa
import pytest
import soundfile
from pyarrow import parquet

from dataset_scripts.generation import speaking
from dataset_scripts.generation.engines import EngineError
from dataset_scripts.generation.generate import GenerationError, generate
from dataset_scripts.generation.journal import Journal
from dataset_scripts.generation.speaking import CLIPS_SCHEMA, Spoken
from modeling_empathic.report.files import sha256
from tests.support.command import run_command
from tests.support.killing import tree
from tests.support.places import REPOSITORY
from tests.support.servers import wait_until
from tests.support.speech_maker import COPY, speech_like, wav, write_sounds, write_texts


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_sounds(tmp_path_factory.mktemp("sounds"))


def rows_of(out):
    return parquet.read_table(out / "clips.parquet").to_pylist()


def test_every_outcome_has_a_row_with_its_reason_and_only_clips_have_files(files, tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", [str(path) for path in files.values()])
    counts = generate(plan, tmp_path / "out", COPY, attempts=2)
    rows = dict(zip(files, rows_of(tmp_path / "out"), strict=True))
    kinds = {name: row["outcome"] for name, row in rows.items()}
    not_audio = ("HTML", "nothing", "half a header")
    assert kinds == {
        name: "spoken" if name in ("good", "stereo 44.1 kHz")
        else "decode_error" if name in not_audio else "rejected"
        for name in files
    }  # fmt: skip
    assert counts == {"spoken": 2, "rejected": 8, "decode_error": 3}
    assert rows["45 seconds"]["reason"] == "try 1, 2: more than 30 s"
    good = rows["good"]
    clip = tmp_path / "out" / good["path"]
    assert good["path"] == f"audio/{good['id'][:2]}/{good['id']}.flac"
    assert (good["sha256"], good["attempts"], good["reason"]) == (sha256(clip), 1, "")
    about = soundfile.info(clip)
    assert (about.samplerate, about.channels, about.format) == (24_000, 1, "FLAC")
    assert about.duration == good["duration_s"] == 6
    there = {path.name for path in (tmp_path / "out").rglob("*.flac")}
    assert there == {f"{row['id']}.flac" for row in rows.values() if row["outcome"] == "spoken"}
    assert parquet.read_schema(tmp_path / "out" / "clips.parquet").names == CLIPS_SCHEMA.names
    assert (tmp_path / "out" / "plan.parquet").read_bytes() == plan.read_bytes()


def test_a_clip_that_fails_is_spoken_again_with_another_seed_and_both_are_told(tmp_path):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    good.write_bytes(wav(speech_like()))
    bad.write_bytes(wav(speech_like(0.5)))
    plan = write_texts(tmp_path / "plan.parquet", ["Hello there."])
    seed = parquet.read_table(plan)["seed"][0].as_py()
    for number, source in enumerate((bad, bad, good)):
        (tmp_path / f"{seed + number}.wav").write_bytes(source.read_bytes())
    engine = f"install -T {tmp_path}/{{seed}}.wav {{output}} -S {{text}}"
    generate(plan, tmp_path / "out", engine)
    (row,) = rows_of(tmp_path / "out")
    assert (row["outcome"], row["attempts"], row["seed"]) == ("spoken", 3, seed + 2)
    assert row["reason"] == "try 1, 2: 0.50 s, at least 3 are needed"


def test_a_row_whose_engine_gave_nothing_is_asked_for_again_by_the_next_run(files, tmp_path):
    late = tmp_path / "late.wav"
    plan = write_texts(tmp_path / "plan.parquet", [str(files["good"]), str(late)])
    out = tmp_path / "out"
    assert generate(plan, out, COPY, attempts=1) == {"spoken": 1, "transport_error": 1}
    late.write_bytes(files["good"].read_bytes())
    assert generate(plan, out, COPY, attempts=1) == {"spoken": 2}
    before = tree(out)
    assert generate(plan, out, COPY, attempts=1) == {"spoken": 2}  # and now nothing is left
    assert tree(out) == before


def test_an_engine_that_never_gives_anything_ends_the_run_early(tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", ["/no/such/file"] * 9)
    with pytest.raises(EngineError, match=r"first 5 clips: .*exit code 1"):
        generate(plan, tmp_path / "out", COPY, attempts=1)


def test_another_plan_engine_or_limit_is_not_mixed_into_a_folder(files, tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", [str(files["good"])])
    out = tmp_path / "out"
    generate(plan, out, COPY, attempts=2)
    with pytest.raises(GenerationError, match="attempts was 2"):
        generate(plan, out, COPY, attempts=3)
    with pytest.raises(GenerationError, match=r"settings was \{'command': 'cp"):
        generate(plan, out, f"{COPY} -f", attempts=2)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/clips.parquet").write_bytes(b"PAR1")
    with pytest.raises(GenerationError, match=r"clips\.parquet cannot be read"):
        generate(plan, tmp_path / "damaged", COPY, attempts=2)
    other = write_texts(tmp_path / "other.parquet", [str(files["8 kHz"])])
    with pytest.raises(GenerationError, match="begun with another plan"):
        generate(other, out, COPY, attempts=2)


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ("id", "../../etc/passwd", "cannot name a file"),
        ("id", "a/b", "cannot name a file"),
        ("id", None, "cannot name a file"),
        ("target_emotion", "Joy", "none of the 40"),
        ("text", None, "an empty cell"),
        ("target_intensity", float("nan"), "nan, which is outside 0 to 4"),
        ("target_intensity", -1.0, "outside 0 to 4"),
        *((cell, b"\xff", "cannot be read as a plan") for cell in ("id", "text", "voice")),
    ],
)
def test_a_strangers_plan_is_checked_before_anything_is_spoken(cell, value, message, tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", ["x", "y"])
    table = parquet.read_table(plan)
    place = table.column_names.index(cell)
    if isinstance(value, bytes):  # stands as text in the file, and is none
        cells = pa.array([value] * 2, pa.binary()).view(pa.string())
    else:
        cells = pa.array([table[cell][0].as_py(), value], table[cell].type)
    parquet.write_table(table.set_column(place, cell, cells), plan)
    with pytest.raises(GenerationError, match=message):
        generate(plan, tmp_path / "out", COPY)
    assert not (tmp_path / "out").exists()


def test_a_plan_with_two_columns_of_a_name_is_refused(tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", ["x"])
    table = parquet.read_table(plan)
    parquet.write_table(table.append_column("text", table["voice"]), plan)
    with pytest.raises(GenerationError, match="has the column text twice"):
        generate(plan, tmp_path / "out", COPY)


def test_a_plan_of_some_kilobytes_does_not_unpack_to_gigabytes(tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", ["x"] * 1000)
    table = parquet.read_table(plan)
    bomb = pa.DictionaryArray.from_arrays([0] * 1000, ["x" * 10**6])
    place = table.column_names.index("prompt")
    parquet.write_table(table.set_column(place, "prompt", bomb), plan, compression="zstd")
    with pytest.raises(GenerationError, match="would unpack to more than 268 MB"):
        generate(plan, tmp_path / "out", COPY)


def test_a_plan_with_one_huge_cell_is_refused_before_anything_of_it_is_unpacked(
    tmp_path, monkeypatch
):
    plan = write_texts(tmp_path / "plan.parquet", ["x", "x" * 2**24])
    parquet.write_table(parquet.read_table(plan), plan, compression="zstd", write_statistics=False)
    monkeypatch.setattr("modeling_empathic.report.packed.FREE_BYTES", 2**20)
    monkeypatch.setattr("dataset_scripts.generation.generate._batches", lambda plan: 1 / 0)
    with pytest.raises(GenerationError, match="would unpack to more than"):
        generate(plan, tmp_path / "out", COPY)


def test_a_text_that_no_clip_can_hold_is_no_engines_business(tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", ["word " * 211])
    assert generate(plan, tmp_path / "out", COPY) == {"refused": 1}
    assert rows_of(tmp_path / "out")[0]["reason"] == "1,055 characters; 30 s hold 1,050"


def test_what_a_program_says_commands_no_terminal_by_way_of_the_table(tmp_path):
    (tmp_path / "odd.sh").write_text("#!/bin/sh\nprintf '\\033[2J\\033]0;x\\007bad' >&2; exit 3\n")
    (tmp_path / "odd.sh").chmod(0o755)
    plan = write_texts(tmp_path / "plan.parquet", ["x"])
    generate(plan, tmp_path / "out", f"{tmp_path}/odd.sh {{text}} {{output}}", attempts=1)
    assert rows_of(tmp_path / "out")[0]["reason"] == "exit code 3: �[2J�]0;x�bad"


SPOKEN = ["spoken", "", 1, "0" * 64, 5.0, "", "", 1, None]


@pytest.mark.parametrize(
    "line",
    [
        [99, SPOKEN], [-1, SPOKEN], ["0", SPOKEN], [0.5, SPOKEN], [0, ["spoken"]], [0, [1] * 9],
        [0], {"a": 1}, None, [0, ["no such", *SPOKEN[1:]]],
    ],
)  # fmt: skip
@pytest.mark.parametrize("plan_sha256", ["this", "another"])
def test_a_journal_of_whatever_lines_is_gone_on_with_or_refused(line, plan_sha256, tmp_path):
    about = {"plan": plan_sha256}
    path = tmp_path / "clips.parquet.partial"
    with closing(Journal(path, about, 2)) as journal:
        journal._write(line)
        journal.add(1, Spoken(*SPOKEN))
    with closing(Journal(path, {"plan": "this"}, 2)) as again:
        assert (again.about, again.n_done) == (about, 1)
        assert again[1] == Spoken(*SPOKEN) and 0 not in again


@pytest.mark.parametrize("header", [[1], 3, "x", None])
def test_a_journal_whose_first_line_says_nothing_is_begun_anew(header, tmp_path):
    path = tmp_path / "clips.parquet.partial"
    with closing(Journal(path, header, 1)) as journal:
        journal.add(0, Spoken(*SPOKEN))
    with closing(Journal(path, {"plan": "this"}, 1)) as again:
        assert (again.about, again.n_done) == ({"plan": "this"}, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["attempts"]), "no column attempts"),
        (lambda table: pa.concat_tables([table] * 2), "other rows than the plan's 1"),
    ],
)
def test_a_table_of_clips_that_was_edited_is_not_gone_on_with(change, message, tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", [str(tmp_path / "late.wav")])
    out = tmp_path / "out"
    generate(plan, out, COPY, attempts=1)
    parquet.write_table(change(parquet.read_table(out / "clips.parquet")), out / "clips.parquet")
    with pytest.raises(GenerationError, match=message):
        generate(plan, out, COPY, attempts=1)


def test_a_plan_that_is_no_plan_is_said_in_one_line(tmp_path):
    (tmp_path / "plan.parquet").write_text("id,text")
    code, _, err = run_command("big", "generate", tmp_path / "plan.parquet", tmp_path / "out")
    assert code == 2 and "cannot be read as a plan" in err and len(err.splitlines()) == 1


def test_a_full_disk_ends_the_run_and_loses_nothing_that_was_done(files, tmp_path, monkeypatch):
    plan = write_texts(tmp_path / "plan.parquet", [str(files["good"])] * 4)
    whole, out = tmp_path / "whole", tmp_path / "out"
    generate(plan, whole, COPY)
    to_flac, made = speaking.to_flac, []

    def full(samples):
        made.append(1)
        if len(made) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return to_flac(samples)

    monkeypatch.setattr(speaking, "to_flac", full)
    with pytest.raises(OSError, match="No space left"):
        generate(plan, out, COPY)
    assert not (out / "clips.parquet").exists()
    assert len(list(out.rglob("*.flac"))) == 2
    assert generate(plan, out, COPY) == {"spoken": 4}
    assert len(made) == 3 + 2  # and the first two were not spoken again
    assert tree(out) == tree(whole)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a disk")
def test_on_a_disk_that_is_really_full_it_is_the_same(files, tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", [str(files["good"])] * 12)
    generate(plan, tmp_path / "whole", COPY)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("may not mount")
    try:
        with pytest.raises(OSError, match=rf"No space left .*{disk}/out/"):
            generate(plan, disk / "out", COPY)
        done = len(list((disk / "out").rglob("*.flac")))
        assert 1 <= done < 12
        subprocess.run(["mount", "-o", "remount,size=9m", disk], check=True)
        assert generate(plan, disk / "out", COPY) == {"spoken": 12}
        assert tree(disk / "out") == tree(tmp_path / "whole")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_killed_with_its_workers_at_work_it_goes_on_and_ends_in_the_same_bytes(files, tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", [str(files["good"])] * 60)
    whole, out = tmp_path / "whole", tmp_path / "out"
    generate(plan, whole, COPY)
    words = ["big", "generate", str(plan), str(out), "--engine", COPY, "--workers", "2"]
    code = f"from emonet_voice.cli.app import run; run({words!r})"
    program = subprocess.Popen(
        [sys.executable, "-c", f"if __name__ == '__main__':\n    {code}"],
        cwd=REPOSITORY, start_new_session=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    journal = out / "clips.parquet.partial"
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 5, "some clips")
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    done = journal.read_bytes().count(b"\n") - 1
    assert 5 <= done < 60
    wait_until(lambda: not _of_session(program.pid), "the workers to end with their parent")
    assert generate(plan, out, COPY) == {"spoken": 60}
    assert tree(out) == tree(whole)


def _of_session(session: int) -> list[str]:
    found = subprocess.run(
        ["ps", "-s", str(session), "-o", "stat="], capture_output=True, text=True
    )
    return [line for line in found.stdout.split() if not line.startswith("Z")]


def test_the_command_counts_outcomes_and_its_exit_code_says_whether_all_are_spoken(files, tmp_path):
    plan = write_texts(tmp_path / "plan.parquet", [str(files["good"]), str(files["HTML"])])
    out = tmp_path / "out"
    words = ["big", "generate", plan, out, "--engine", COPY, "--workers", 1]
    code, said, _ = run_command(*words)
    assert code == 1
    assert said.splitlines()[0] == f"1 of 2 clips spoken, 1 decode_error. Written to {out}"
    code, said, _ = run_command(*words, "--json")
    assert code == 1 and '"decode_error": 1' in said
