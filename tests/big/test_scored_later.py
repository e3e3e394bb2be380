"""Clips packed without scores get them once they are annotated, and no other byte changes."""

import json
import shutil

import pyarrow as pa
import pytest
from pyarrow import parquet

from dataset_scripts.building.manifest import verify
from dataset_scripts.packing import pack as packing
from dataset_scripts.packing.imported import imported
from dataset_scripts.packing.pack import pack
from dataset_scripts.packing.scores import Judgement, annotate
from modeling_empathic.report.files import sha256
from tests.support.big_maker import clip_rows, judge, make_clips, make_scored
from tests.support.command import run_command
from tests.support.killing import in_fork

ABOUT = {"annotator": "made up"}


@pytest.fixture
def out(tmp_path):
    return make_clips(tmp_path / "out", 12)


def rows_of(packed):
    return [
        r for f in sorted((packed / "data").iterdir()) for r in parquet.read_table(f).to_pylist()
    ]


def shards(packed):
    return {path.name: sha256(path) for path in sorted((packed / "data").iterdir())}


def judge_some(*languages):
    """Scores of clips in these languages; the others were refused."""

    def judge_them(clips):
        for judged, language in zip(judge(clips), clips["language"].to_pylist(), strict=True):
            yield judged if language in languages else Judgement(None, "refused", "no")

    return judge_them


@pytest.mark.parametrize("unscored", [True, False])
def test_it_is_then_the_folder_that_it_would_have_been_at_once(out, tmp_path, unscored):
    packed = tmp_path / "packed"
    pack([out], packed, unscored=True)
    annotate(out, judge, ABOUT)
    manifest, n_new = pack([out], packed, unscored=unscored)
    assert (n_new, manifest["counts"]) == (0, {"clips": 12, "given scores later": 12})
    whole, _ = pack([out], tmp_path / "whole")
    assert shards(packed) == shards(tmp_path / "whole")
    assert manifest["statistics"] == whole["statistics"]
    assert manifest["statistics"]["annotator"] == {"made up": [12, 6000]}
    assert verify(packed) == manifest
    assert pack([out], packed, unscored=unscored).manifest == manifest


def test_only_shards_with_such_clips_are_written_again(out, tmp_path):
    packed = tmp_path / "packed"
    pack([out], packed, unscored=True)
    before = shards(packed)
    annotate(out, judge_some("de"), ABOUT)
    assert pack([out], packed).manifest["counts"]["given scores later"] == 3
    changed = {name for name, mark in shards(packed).items() if mark != before[name]}
    assert changed == {"de-00000.parquet"}
    assert verify(packed)["statistics"]["annotator"] == {"": [9, 4500], "made up": [3, 1500]}
    annotate(out, judge_some("de", "fr"), ABOUT)
    before = shards(packed)
    pack([out], packed, unscored=True)
    changed = {name for name, mark in shards(packed).items() if mark != before[name]}
    assert changed == {"fr-00000.parquet"}
    assert [row["emotion_scores"] is not None for row in rows_of(packed)] == (
        [True] * 3 + [False] * 6 + [True] * 3
    )


def test_scores_from_another_source_are_taken_too_and_given_ones_stay(out, tmp_path):
    packed = tmp_path / "packed"
    theirs = shutil.copytree(out, tmp_path / "theirs")
    annotate(theirs, judge, {"annotator": "theirs"})
    counts = pack([out, theirs], packed, unscored=True).manifest["counts"]  # in one run
    assert counts == {"clips": 12, "given scores later": 12}
    assert {row["annotator"] for row in rows_of(packed)} == {"theirs"}
    before = shards(packed)
    annotate(out, judge, ABOUT)
    counts = pack([out], packed).manifest["counts"]
    assert counts["left out: a copy of a packed clip"] == 12
    assert shards(packed) == before


def test_new_clips_and_later_scores_come_in_one_run(out, tmp_path):
    packed = tmp_path / "packed"
    pack([out], packed, unscored=True)
    make_clips(out, 20)
    annotate(out, judge, ABOUT)
    manifest, n_new = pack([out], packed)
    assert (n_new, manifest["counts"]) == (8, {"clips": 20, "given scores later": 12})
    assert all(row["emotion_scores"] for row in rows_of(packed))
    assert len({row["clip_id"] for row in rows_of(packed)}) == 20


def test_killed_at_any_step_it_ends_in_the_same_bytes(out, tmp_path):
    unscored, whole = tmp_path / "unscored", tmp_path / "whole"
    for folder in (unscored, whole):
        pack([out], folder, unscored=True)
    annotate(out, judge, ABOUT)
    expected = pack([out], whole).manifest
    packed, step, how = tmp_path / "packed", 2, "killed"
    while how == "killed":
        shutil.copytree(unscored, packed)
        how = in_fork(lambda: pack([out], packed), step).how
        assert pack([out], packed).manifest == expected, step
        assert shards(packed) == shards(whole), step
        assert not (tmp_path / ".packed.building").exists()
        shutil.rmtree(packed)
        step += 5
    assert how == "whole" and step > 30


def test_a_full_disk_leaves_the_packed_folder_as_it_was(out, tmp_path, monkeypatch):
    packed = tmp_path / "packed"
    before = pack([out], packed, unscored=True).manifest
    annotate(out, judge, ABOUT)

    def full(self):
        raise OSError(28, "No space left on device", str(self.path))

    with monkeypatch.context() as patched:
        patched.setattr(packing.ShardWriter, "finish", full)
        with pytest.raises(OSError, match="No space left"):
            pack([out], packed)
    assert verify(packed) == before
    assert pack([out], packed).manifest["counts"]["given scores later"] == 12


def test_imported_scores_of_some_clips_and_of_none_that_are_there(out, tmp_path):
    packed = tmp_path / "packed"
    pack([out], packed, unscored=True)
    ids = [row["id"] for row in clip_rows(out)]
    theirs = [{"id": ids[3], "emotion_scores": [1.0] * 40}, {"id": "no such clip", "Awe": 1}]
    (tmp_path / "theirs.jsonl").write_text("\n".join(map(json.dumps, theirs)))
    annotate(out, imported(tmp_path / "theirs.jsonl"), ABOUT)
    assert pack([out], packed).manifest["counts"]["given scores later"] == 1
    scored = [row for row in rows_of(packed) if row["emotion_scores"]]
    assert [row["text"] for row in scored] == ["This is text 3."]
    assert scored[0]["annotator"] == "made up" and scored[0]["caption"]


def test_the_command_says_how_many_were_given_scores(out, tmp_path):
    packed = tmp_path / "packed"
    run_command("big", "build", out, packed, "--unscored")
    annotate(out, judge, ABOUT)
    code, printed, _ = run_command("big", "build", out, packed)
    assert code == 0
    assert "12 clips, 0 of them new, 12 given scores later" in printed and "Written to" in printed
    assert "Nothing to add" in run_command("big", "build", out, packed)[1]


def test_hours_on_the_card_are_those_of_the_clips_counted_again(tmp_path):
    sources = [
        make_scored(tmp_path / f"{n}", 5, first=10 * n, seconds=0.3337 + n / 7) for n in range(4)
    ]
    manifest = pack(sources, tmp_path / "packed").manifest
    rows = rows_of(tmp_path / "packed")
    for by in ("language", "voice", "annotator"):
        for value, (n, milliseconds) in manifest["statistics"][by].items():
            found = [row["duration_s"] for row in rows if row[by] == value]
            assert (len(found), sum(found)) == (
                n,
                pytest.approx(milliseconds / 1000, abs=0.001 * n),
            )
    assert pa.types.is_float32(parquet.read_schema(
        tmp_path / "packed/data/en-00000.parquet").field("duration_s").type)  # fmt: skip
