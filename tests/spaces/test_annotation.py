"""The annotation Space without a browser: its files, its export, and what its server refuses."""

import doctest
import importlib.util
import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dataset_scripts.annotations import Protocol, simulate
from dataset_scripts.building.build import build
from dataset_scripts.corpora.listening import FEATURES as LISTENING
from modeling_empathic.taxonomy import BENCH_NAMES
from tests.support.places import REPOSITORY

sys.path.append(str(REPOSITORY / "spaces" / "emotion_annotation"))

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

SPACE = Path(annotation_batch.__file__).parent
HEARD = {"plays": 2, "heard_s": 1.5, "answer_s": 4.25, "flags": ["music"], "comment": "=1+1"}
SCRIPT = "<script>alert(1)</script>"
CODES = {"human-1": "f", "human-2": "m", SCRIPT: "f", "..": "m", "lab": ""}
RATERS = "name,gender,hub_user,code_sha256\n" + "".join(
    f"{name},{gender},,{sha256(name)}\n" for name, gender in CODES.items()
)


def write_batch(folder: Path, n: int = 4, texts: str = "language") -> Path:
    """A batch of tones, one emotion each."""
    lines = [f"clip,emotion,{texts}"]
    for number in range(n):
        tone = np.sin(np.arange(8_000) * (0.1 + 0.01 * number)) * 0.3
        soundfile.write(folder / f"tone_{number}.wav", tone, 16_000)
        emotion = BENCH_NAMES[number % len(BENCH_NAMES)]
        lines.append(f"tone_{number}.wav,{emotion},=HYPERLINK(1)")
    (folder / "batch.csv").write_text("\n".join(lines) + "\n")
    return folder / "batch.csv"


# --- files ----------------------------------------------------------------------------------------


def test_the_folder_shares_the_packages_files_and_repeats_none():
    links = [path for path in SPACE.rglob("*") if path.is_symlink()]
    assert {path.relative_to(SPACE).as_posix() for path in links if path.suffix == ".py"} == {
        "dataset_scripts/agreement.py",
        "look.py",
        "dataset_scripts/annotations.py",
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
    assert columns[:4] == ["emotion", "items", "2:0 (+)", "2:0 (-)"]
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


# --- the server, without a browser ----------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    return open_project(
        {
            "ANNOTATION_BATCH": str(write_batch(folder)),
            "ANNOTATION_DATA": str(folder / "data"),
            "ANNOTATION_RATERS": RATERS,
        }
    )


@pytest.fixture(scope="module")
def app():
    """`app.py` under a name of its own: every Space has an `app`."""
    spec = importlib.util.spec_from_file_location("annotation_app", SPACE / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(app, project):
    return app.create_app(project)


@pytest.fixture
def browse(server):
    """Makes a client that has signed in, or one that has not."""
    from starlette.testclient import TestClient

    def client(name: str | None = None) -> TestClient:
        made = TestClient(server, headers={"X-Annotation": "1"})
        if name is not None:
            assert made.post("/api/sign-in", json={"code": name}).status_code == 200
        return made

    return client


RATERS_PART = [
    ("POST", "/api/next"),
    ("POST", "/api/answer"),
    ("POST", "/api/undo"),
    ("POST", "/api/unplayable"),
    ("GET", "/clip/anything"),
]
ORGANISERS_PART = [
    ("GET", "/export.parquet"),
    ("GET", "/review/anything"),
    ("GET", "/admin/"),
    ("GET", "/admin/config"),
    ("GET", "/admin/gradio_api/info"),
    ("POST", "/admin/gradio_api/queue/join"),
    ("POST", "/admin/gradio_api/run/read"),
    ("POST", "/admin/gradio_api/upload"),
    ("GET", "/admin/gradio_api/file=batch.csv"),
]


@pytest.mark.parametrize(("method", "path"), [*RATERS_PART, *ORGANISERS_PART])
def test_nothing_is_there_for_strangers(browse, method, path):
    files = {"files": b"x"} if path.endswith("upload") else None
    assert browse().request(method, path, files=files).status_code in (401, 403)


@pytest.mark.parametrize(("method", "path"), ORGANISERS_PART)
def test_the_organisers_part_is_not_there_for_raters(browse, method, path):
    files = {"files": b"x"} if path.endswith("upload") else None
    assert browse("human-1").request(method, path, files=files).status_code in (401, 403)


def test_an_organiser_sees_the_admin_page_and_rates_nothing(browse, project):
    organiser = browse("lab")
    assert organiser.get("/admin/").status_code == 200
    assert organiser.get("/export.parquet").content[:4] == b"PAR1"
    assert organiser.get(f"/review/{next(iter(project.batch))}").content[:4] == b"RIFF"
    assert organiser.post("/api/next", json={}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"item": "x", "score": 1, "hearing": {}, "rater": "human-2"},
        {"item": "x", "score": 1},
        [],
        {"score": 1, "hearing": {}},
    ],
)
def test_a_rater_named_in_the_request_is_refused(browse, project, body):
    reply = browse("human-1").post("/api/answer", json=body)
    assert reply.status_code == 422
    assert not any(project.store.ratings().values())


@pytest.mark.parametrize("score", ["1", 1.0, True, None, 3, [1]])
def test_a_score_of_another_kind_is_refused(browse, project, score):
    rater = browse("human-1")
    item = rater.post("/api/next", json={}).json()["item"]["id"]
    answer = {"item": item, "score": score, "hearing": HEARD}
    assert rater.post("/api/answer", json=answer).status_code in (409, 422)
    assert not any(project.store.ratings().values())


@pytest.mark.parametrize("code", ["", "x", "../human-1", "é\u0000", "x" * 1_900])
def test_a_wrong_code_signs_nobody_in(browse, code):
    client = browse()
    assert client.post("/api/sign-in", json={"code": code}).status_code == 401
    assert client.get("/api/me").json()["role"] is None


def test_a_forged_session_cookie_is_not_believed(browse):
    client = browse()
    client.cookies.set("session", "eyJjb2RlX3NoYTI1NiI6ICIifQ==.x.y")
    assert client.post("/api/next", json={}).status_code == 401


def test_long_bodies_and_requests_of_other_sites_are_refused(browse):
    rater = browse("human-1")
    assert rater.post("/api/answer", content=b"x" * 9_000).status_code == 413
    assert rater.post("/api/answer", content=b"[" * 1_900).status_code == 422
    assert rater.post("/api/next", json={}, headers={"X-Annotation": ""}).status_code == 403


def test_a_rater_can_fetch_the_clip_they_are_asked_about_and_no_other(browse, project):
    rater = browse("human-1")
    shown = rater.post("/api/next", json={}).json()["item"]["id"]
    reply = rater.get(f"/clip/{shown}")
    assert reply.content == project.batch[shown].clip.read_bytes()
    assert "tone_" not in str(reply.headers)  # a file's name can tell what was acted
    assert rater.get(f"/clip/{shown}", headers={"Range": "bytes=0-3"}).content == b"RIFF"
    for other in project.batch.keys() - {shown}:
        assert rater.get(f"/clip/{other}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/review/..%2fbatch.csv",
        "/clip/..%2f..%2fdata%2fratings.sqlite",
        "/clip/%2e%2e/data/ratings.sqlite",
        "/clip/" + "x" * 9_000,
        "/data/ratings.sqlite",
        "/ratings.sqlite",
        "/annotation_data/session.key",
        "/app.py",
        "/batch.csv",
        "/docs",
        "/openapi.json",
        "/admin/gradio_api/file=../data/ratings.sqlite",
        "/admin/gradio_api/file=/etc/passwd",
        "/admin/static/..%2f..%2fapp.py",
        "/page.js?file=/etc/passwd",
    ],
)
@pytest.mark.parametrize("name", ["human-1", "lab"])
def test_no_address_leads_to_a_file(browse, project, path, name):
    path = path.replace("../data", str(project.store.path.parent))
    reply = browse(name).get(path)
    refused = reply.status_code in (400, 401, 403, 404, 414)
    assert refused or reply.content == (SPACE / "page.js").read_bytes(), reply.text[:200]


def test_names_with_dots_or_a_script_sign_in_as_any_other(browse):
    for name in ("..", SCRIPT):
        assert browse(name).get("/api/me").json()["name"] == name


@pytest.mark.parametrize(
    ("user", "role"), [("Ada", "rater"), ("grace", "organiser"), ("eve", "stranger"), (None, None)]
)
def test_on_a_space_people_are_who_they_are_on_the_hub(tmp_path, monkeypatch, app, user, role):
    import gradio.oauth
    from itsdangerous import TimestampSigner
    from starlette.testclient import TestClient

    for name, value in {"SYSTEM": "spaces", "SPACE_ID": "laion/annotation"}.items():
        monkeypatch.setenv(name, value)
    for name in ("CLIENT_ID", "CLIENT_SECRET", "SCOPES"):
        monkeypatch.setattr(gradio.oauth, f"OAUTH_{name}", "given by the Space")
    monkeypatch.setattr(gradio.oauth, "OPENID_PROVIDER_URL", "https://hub.invalid")
    people = "".join(f"human-{i},{'fm'[i % 2]},{'ada' if i == 0 else f'u{i}'},\n" for i in range(4))
    environment = {
        "ANNOTATION_DATA": str(tmp_path),
        "ANNOTATION_RATERS": f"{RATERS.splitlines()[0]}\n{people}lab,,grace,\n",
        "SPACE_ID": "laion/annotation",
    }
    server = app.create_app(open_project(environment))
    session = {"oauth_info": {"userinfo": {"preferred_username": user}}} if user else {}
    secret = sha256("given by the Space-v4")  # as Gradio signs what the Hub's sign-in returned
    cookie = TimestampSigner(secret).sign(b64encode(json.dumps(session).encode())).decode()
    client = TestClient(server, cookies={"session": cookie}, headers={"X-Annotation": "1"})
    assert client.get("/api/me").json()["role"] == role
    assert client.post("/api/next", json={}).is_success == (role == "rater")
    assert client.get("/admin/").is_success == (role == "organiser")


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


def test_an_answer_without_listening_is_refused_by_the_server_too(browse, project):
    rater = browse("human-1")
    item = rater.post("/api/next", json={}).json()["item"]["id"]
    body = {"item": item, "score": 1, "hearing": HEARD | {"plays": 0}}
    reply = rater.post("/api/answer", json=body)
    assert (reply.status_code, reply.json()["detail"]) == (409, "listen to the recording first")
    assert not any(project.store.ratings().values())


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


def test_who_guesses_codes_has_to_wait(app, project, monkeypatch):
    from sign_in import MOST_WRONG, WITHIN_S, Attempts
    from starlette.testclient import TestClient

    now = [0.0]
    monkeypatch.setattr(app, "Attempts", lambda: Attempts(lambda: now[0]))
    client = TestClient(app.create_app(project), headers={"X-Annotation": "1"})

    def signed_in(code):
        return client.post("/api/sign-in", json={"code": code})

    codes = [signed_in(f"guess {number}").status_code for number in range(MOST_WRONG)]
    assert set(codes) == {401}
    refused = signed_in("human-1")  # right, and not listened to
    assert refused.status_code == 429 and refused.headers["retry-after"] == "60"
    assert refused.json()["detail"] == "too many wrong codes; try again in 60 s"
    now[0] += WITHIN_S
    assert signed_in("human-1").status_code == 200


def test_a_session_that_was_ended_stays_so_when_the_server_starts_again(app, project):
    from starlette.testclient import TestClient

    one = TestClient(app.create_app(project), headers={"X-Annotation": "1"})
    one.post("/api/sign-in", json={"code": "human-2"})
    copy = dict(one.cookies)
    one.post("/api/sign-out", json={})
    again = TestClient(app.create_app(project), headers={"X-Annotation": "1"}, cookies=copy)
    assert again.post("/api/next", json={}).status_code == 401


def test_signing_out_ends_the_session_in_every_copy_of_its_cookie(browse):
    client, copy = browse("human-1"), browse()
    copy.cookies.update(dict(client.cookies))
    assert copy.post("/api/next", json={}).status_code == 200
    client.post("/api/sign-out", json={})
    assert copy.post("/api/next", json={}).status_code == 401
    assert browse("human-1").post("/api/next", json={}).status_code == 200  # and may come again
