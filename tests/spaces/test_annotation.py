"""The annotation Space without a browser: its files, its export, and what its server refuses."""

import doctest
import subprocess
import sys

import numpy as np
import pytest

from dataset_scripts.annotations import Protocol, simulate
from dataset_scripts.building.build import build
from dataset_scripts.corpora.listening import FEATURES as LISTENING
from modeling_empathic.taxonomy import BENCH_NAMES
from tests.support.annotation_maker import CODES, HEARD, SCRIPT, SPACE, write_batch

sys.path.append(str(SPACE))

import annotation_batch
import hearing
import rater_list
import raw_export
from annotation_batch import BatchError, read_batch
from annotation_project import open_project
from hearing import HearingError, read_hearing
from rater_list import RaterListError, read_people, sha256
from rating_store import Store
from raw_export import export


def test_the_folder_shares_the_packages_files_and_repeats_none():
    links = [path for path in SPACE.rglob("*") if path.is_symlink()]
    assert {path.relative_to(SPACE).as_posix() for path in links if path.suffix == ".py"} == {
        "dataset_scripts/agreement.py",
        "look.py",
        "dataset_scripts/annotations.py",
        "modeling_empathic/report/statistics.py",
        "modeling_empathic/taxonomy.py",
    }
    assert all(path.is_file() and not path.readlink().is_absolute() for path in links)
    assert not list(SPACE.rglob("__init__.py"))  # the installed packages win where they are


def test_the_example_batch_can_be_read():
    items = read_batch(SPACE / "batch.csv")
    assert len(items) == 12
    assert len({item.clip for item in items.values()}) == 8
    assert all(item.about and len(item_id) == 16 for item_id, item in items.items())


@pytest.mark.parametrize("module", [annotation_batch, hearing, rater_list, raw_export])
def test_the_examples_in_the_docstrings_run(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../batch.csv,Anger", "not a path inside"),
        ("/etc/passwd,Anger", "not a path inside"),
        ("a/../../x.wav,Anger", "not a path inside"),
        ("tone_9.wav,Anger", "No such file"),
        ("batch.csv,Anger", "not one of .flac"),
        ("tone_0.wav,Aww", "unknown name 'Aww'"),
        ("tone_0.wav,Valence", "not one of the 42"),
        ("tone_0.wav", "not 2 values"),
        ("tone_0.wav,Anger,1", "not 2 values"),
        ("tone_1.wav,amusement", "same audio and emotion"),
    ],
)
def test_a_batch_is_refused_with_the_line_that_is_wrong(tmp_path, row, message):
    write_batch(tmp_path)
    file = tmp_path / "batch.csv"
    file.write_text(f"clip,emotion\ntone_1.wav,Amusement\n{row}\n")
    with pytest.raises(BatchError, match=f"batch.csv, line 3.*{message}"):
        read_batch(file)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x,f,,", "no hub_user and no code"),
        (",f,ada,", "name '' is not"),
        ("y" * 9_000 + ",f,ada,", "1 to 80"),
        ('"a\nb",f,ada,', "printable"),
        ("o'neill,f,ada,", "has one of"),
        ("human-1,f,ada,", "there twice"),
        ("Zoe\u0308,f,ada,\nZo\u00eb,f,eve,", "'Zo\u00eb' is there twice"),
        ("x,f,GRACE,", "as 'human-1' does"),
        ("x,f,,abc", "not a SHA-256"),
        ("x,f", "not 4 values"),
    ],
)
def test_a_list_of_raters_is_refused_with_the_line_that_is_wrong(line, message):
    with pytest.raises(RaterListError, match=rf"line [34].*{message}"):
        read_people(f"name,gender,hub_user,code_sha256\nhuman-1,f,grace,\n{line}\n")


def test_new_codes_are_printed_once_and_only_their_hashes_are_kept():
    command = [sys.executable, str(SPACE / "rater_list.py"), "human-1=f", "lab"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    people = read_people(made.stdout)
    assert [(p.name, p.gender) for p in people] == [("human-1", "f"), ("lab", "")]
    codes = [line.split(": ")[1] for line in made.stderr.splitlines()]
    assert [sha256(code) for code in codes] == [person.code_sha256 for person in people]


def test_a_space_without_raters_does_not_start(tmp_path):
    with pytest.raises(RaterListError, match="ANNOTATION_RATERS"):
        open_project({"ANNOTATION_DATA": str(tmp_path), "SPACE_ID": "laion/annotation"})


# --- export ---------------------------------------------------------------------------------------


def test_bench_build_reads_the_export_and_finds_the_same_ratings(tmp_path, monkeypatch):
    from pyarrow import parquet

    batch = read_batch(write_batch(tmp_path, n=len(BENCH_NAMES)))
    protocol = Protocol({name: gender for name, gender in CODES.items() if gender})
    store = Store(tmp_path / "db", batch, protocol)
    rng = np.random.default_rng(0)
    played = simulate(batch, protocol, rng, lambda *_: int(rng.integers(3)))
    heard = read_hearing(HEARD)
    store.restore((item, *rating, heard) for item, rating in played)
    file = tmp_path / "raw" / "data" / "train.parquet"
    export(file, batch, store.ratings(), protocol, store.answers())
    build(tmp_path / "raw", tmp_path / "bench", assert_counts=False)
    files = sorted((tmp_path / "bench" / "data").glob("*.parquet"))
    rows = [row for file in files for row in parquet.read_table(file).to_pylist()]
    built = {
        (row["file_name"], BENCH_NAMES[row["emotion"]], row["language"]): [
            (rating["rater"], rating["score"]) for rating in row["ratings"]
        ]
        for row in rows
    }
    assert built == {
        (batch[item].clip.name, batch[item].emotion, "=HYPERLINK(1)"): list(map(tuple, given))
        for item, given in store.ratings().items()
    }
    assert {row["audio"]["bytes"][:4] for row in rows} == {b"RIFF"}
    one_by_one = parquet.read_table(tmp_path / "bench" / "ratings").to_pylist()
    assert len(one_by_one) == len(store.answers())
    for rating in (*one_by_one, *(rating for row in rows for rating in row["ratings"])):
        assert {name: rating[name] for name in LISTENING} == {n: HEARD[n] for n in LISTENING}
    assert "comment" not in one_by_one[0]  # those are for the organisers


def test_agreement_is_shown_where_there_is_some_and_the_reason_where_there_is_none(tmp_path):
    from admin_view import agreement, by_rater, overview

    write_batch(tmp_path)
    project = open_project(
        {"ANNOTATION_BATCH": str(tmp_path / "batch.csv"), "ANNOTATION_DATA": str(tmp_path)}
    )
    assert agreement(project)[1] == [["Overall", 0, "–", "–", "–", "0 items with enough ratings; "
                                      "at least two are needed"]]  # fmt: skip
    one, two, three, _ = project.batch
    scores = [(one, 2, 2), (two, 0, 0), (three, 1, 2)]
    project.store.restore(
        (item, f"human-{rater}", score)
        for item, *given in scores
        for rater, score in enumerate(given, 1)
    )
    columns, rows = agreement(project)
    assert columns[:4] == ["Emotion", "Items", "2:0 (+)", "2:0 (-)"]
    assert rows[0][:4] == ["Overall", 3, 2, 1]
    first, second = np.array([2, 0, 1]), np.array([2, 0, 2])
    covariance = np.cov(first, second)
    alpha = 2 * (1 - np.trace(covariance) / covariance.sum())
    assert rows[0][5] == f"{alpha:.2f}"
    assert rows[1][4:6] == ["–", "–"]
    assert "at least two" in rows[1][7]
    assert overview(project)[0][4] == 6
    assert [row[2:8] for row in by_rater(project)[:2]] == [
        [3, 1, 1, 1, "100 % of 3", "−0.33"],
        [3, 1, 0, 2, "100 % of 3", "+0.33"],
    ]


def test_unfinished_items_are_left_out_of_the_export_and_counted(tmp_path):
    batch = read_batch(write_batch(tmp_path))
    protocol = Protocol({"a": "f", "b": "m", "c": "f"}, third_share=0, fourth_share=0)
    one, two, *_ = batch
    store = Store(tmp_path / "db", batch, protocol)
    store.restore([(one, "a", 0), (one, "b", 1), (two, "a", 2)])
    assert export(tmp_path / "x.parquet", batch, store.ratings(), protocol) == (1, 3)


WRONG = {
    "not played": ({"plays": 0}, "listen to the recording first"),
    "played for no time": ({"heard_s": 0}, "listen to the recording first"),
    "played without end": ({"plays": 10**9}, "not a number of plays"),
    "answered before it began": ({"answer_s": -1}, "answer_s -1 is not a number of seconds"),
    "no number": ({"heard_s": float("nan")}, "heard_s nan"),
    "a flag of its own": ({"flags": ["<b>"]}, "are not of no speech, two speakers"),
    "flags of another kind": ({"flags": "music"}, "are not of"),
    "a long comment": ({"comment": "x" * 501}, "at most 500"),
    "something else": ({"rater": "human-2"}, "needed of the hearing"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_came_with_an_answer_is_checked(what):
    change, message = WRONG[what]
    with pytest.raises(HearingError, match=message):
        read_hearing(HEARD | change)


def test_gold_items_come_in_between_look_like_any_other_and_are_no_ratings(tmp_path):
    from admin_view import by_rater

    batch = write_batch(tmp_path, n=6)
    lines = batch.read_text().splitlines()
    gold = [f"{line},{'0 1' if number in (2, 5) else ''}" for number, line in enumerate(lines[1:])]
    batch.write_text("\n".join([f"{lines[0]},gold", *gold]))
    people = {"ANNOTATION_BATCH": str(batch), "ANNOTATION_DATA": str(tmp_path)}
    project = open_project(people | {"ANNOTATION_GOLD_EVERY": "2"})
    store = project.store
    assert len(store.items) == 4 and set(store.gold.values()) == {(0, 1)}
    order = []
    while item := store.take("human-1"):
        order.append(item in store.gold)
        store.answer("human-1", item, 2 if len(order) == 2 else 0, read_hearing(HEARD))
    assert order == [False, True, False, True, False, False]
    assert not any(item in store.gold for item in store.ratings())
    assert store.progress("human-1").answered == 6 == store.progress("human-1").most
    assert by_rater(project)[0][10] == "1 of 2"
    assert len(store.answers()) == 6
    with pytest.raises(ValueError, match="ANNOTATION_GOLD_EVERY='0'"):
        open_project(people | {"ANNOTATION_GOLD_EVERY": "0"})
    batch.write_text("\n".join([f"{lines[0]},gold", f"{lines[1]},3"]))
    with pytest.raises(BatchError, match="line 2: gold '3' is not of 0, 1, 2"):
        read_batch(batch)


def test_the_review_queue_says_why_and_empties(tmp_path):
    from review_queue import queue, queue_html

    write_batch(tmp_path)
    project = open_project(
        {"ANNOTATION_BATCH": str(tmp_path / "batch.csv"), "ANNOTATION_DATA": str(tmp_path)}
    )
    one, two, *_ = project.batch
    loud = read_hearing(HEARD | {"comment": SCRIPT})
    project.store.restore(
        [(one, "human-1", 0, loud), (one, "human-2", 2), (two, "human-1", 1), (two, "human-2", 1)]
    )
    project.store.report_unplayable("human-3", project.store.take("human-3"))
    first, second = queue(project)
    assert first.item == one and second.reasons == ["human-3 cannot play it"]
    assert first.reasons == ["raters differ by 2", "human-1: music", f"human-1 wrote: {SCRIPT}"]
    html = queue_html(project, [first, second])
    assert "<script" not in html and "&lt;script&gt;" in html and "4.2" in html
    for entry in (first, second):
        project.store.review(entry.item, "heard it")
    assert queue(project) == [] and "Nothing is waiting" in queue_html(project, [])
