"""The annotation Space's server without a browser: who gets what, and what it refuses."""

import importlib.util
import json
import sys
from base64 import b64encode

import pytest

from tests.support.annotation_maker import HEARD, RATERS, SCRIPT, SPACE, write_batch

sys.path.append(str(SPACE))

from annotation_project import open_project
from rater_list import sha256


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


def test_an_answer_without_listening_is_refused_by_the_server_too(browse, project):
    rater = browse("human-1")
    item = rater.post("/api/next", json={}).json()["item"]["id"]
    body = {"item": item, "score": 1, "hearing": HEARD | {"plays": 0}}
    reply = rater.post("/api/answer", json=body)
    assert (reply.status_code, reply.json()["detail"]) == (409, "listen to the recording first")
    assert not any(project.store.ratings().values())


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
