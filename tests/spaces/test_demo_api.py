"""The demo for programs: its API, the tools of agents, and what it must not serve or take."""

import contextlib
import http.client
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.demo_server import CLIP, SPACE, TOOLS
from tests.support.servers import patience_s


def test_every_function_has_a_name_and_answers(demo_client, demo_sounds):
    from gradio_client import handle_file

    sound = handle_file(demo_sounds / "voice.mp3")
    score = demo_client.predict(sound, "Nano", [], api_name="/score")
    points = {row["emotion"]: row["score"] for row in score["emotions"]}
    assert len(points) == 40 and "Anger" in list(points)[:5]
    assert re.fullmatch("[0-9a-f]{40}", score["revision"])
    course = demo_client.predict(sound, "Nano", ["Awe"], 2, 1, api_name="/timeline")
    assert list(course["scores"]) == ["Awe"] and len(course["scores"]["Awe"]) == 4
    anger = demo_client.predict(sound, "Nano", "Anger", api_name="/moments")
    assert sum(anger["points_per_s"]) * anger["step_s"] + anger["rest"] == pytest.approx(
        2.5 * points["Anger"], abs=0.05
    )
    heard = demo_client.predict(sound, api_name="/acoustics")
    assert 60 < heard["features"]["f0_median_hz"] < 300
    assert "stands out" in str(
        demo_client.predict(sound, "Nano", [], 2, 1, "Awe", api_name="/analyse")
    )
    shown = demo_client.predict(sound, "Nano", [], 2, 1, "Awe", api_name="/details")
    assert "voice_emotions.png" in str(shown)
    assert "adds to Awe" in str(
        demo_client.predict(sound, "Nano", [], "Awe", api_name="/show_moments")
    )
    settings = demo_client.predict(api_name="/settings_of_link")
    assert settings[-5:-1] == ("Nano", 0, 0, [])


def test_results_have_names(demo_client):
    described = demo_client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = {name: described[f"/{name}"]["returns"][0]["label"] for name in TOOLS}
    assert names == {"score": "scores", **{name: name for name in TOOLS[1:]}}


def test_agents_see_four_tools(demo_url):
    with urllib.request.urlopen(f"{demo_url}gradio_api/mcp/schema") as answer:
        tools = json.load(answer)
    assert sorted(tool["name"].rsplit("_", 1)[-1] for tool in tools) == sorted(TOOLS)
    score = next(tool for tool in tools if tool["name"].endswith("score"))
    assert score["description"].startswith("Scores how a voice sounds")
    assert "at most 30 minutes" in score["inputSchema"]["properties"]["audio"]["description"]


def test_mistakes_reach_the_client_as_sentences(demo_client, demo_sounds):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    sound = handle_file(demo_sounds / "voice.wav")
    for arguments, name, expected in (
        ((handle_file(demo_sounds / "text.wav"), "Nano", []), "/score", "recording: not audio"),
        ((handle_file(demo_sounds / "page.html"), "Nano", []), "/score", "recording: not audio"),
        ((None, "Nano", []), "/score", "none yet"),
        ((sound, "Nano", [], 1, 2), "/timeline", "must be 1 to 30 s"),
        ((sound, "../../etc", []), "/score", "not in the list of choices"),
    ):
        with pytest.raises(AppError, match=expected):
            demo_client.predict(*arguments, api_name=name)


def _status(request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=patience_s()) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def _posted(url: str, name: str, n_bytes: int = 4) -> int:
    """The status of an upload; a server that has refused need not hear the rest."""
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=patience_s())
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(len(head.encode()) + n_bytes + 9))
    connection.endheaders(head.encode())
    with contextlib.suppress(ConnectionError):
        for start in range(0, n_bytes, 1 << 20):
            connection.send(bytes(min(1 << 20, n_bytes - start)))
        connection.send(b"\r\n--b--\r\n")
    return connection.getresponse().status


def test_files_that_are_nobodys_business_are_not_served(demo_url):
    for path in (
        "/etc/passwd", str(SPACE / "app.py"), "app.py", "../app.py", "..%2f..%2fetc%2fpasswd",
        "emonet/taxonomy.py", "http://127.0.0.1:1/x.wav",
    ):  # fmt: skip
        assert _status(f"{demo_url}gradio_api/file={path}") in (400, 403, 404), path


def test_uploads_that_are_too_large_or_badly_named_are_refused(demo_url):
    assert _posted(demo_url, "large.wav", 200 * 10**6) == 413
    assert _posted(demo_url, "a" * 9_000 + ".wav") in (400, 413)
    assert _posted(demo_url, "..") == 400
    assert _posted(demo_url, "../../../tmp/escaped.wav") == 200  # under its last part only
    assert not Path("/tmp/escaped.wav").exists()


def test_paths_and_addresses_in_place_of_an_upload_are_refused(demo_url):
    """Neither a file of the server nor an address inside its network is read for a stranger."""
    for path in ("/etc/passwd", str(CLIP), "http://127.0.0.1:9/a.wav", "http://169.254.169.254/a"):
        body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, "Nano", []]}
        request = urllib.request.Request(
            f"{demo_url}gradio_api/call/score",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            event = json.load(answer)["event_id"]
        stream = f"{demo_url}gradio_api/call/score/{event}"
        with urllib.request.urlopen(stream, timeout=patience_s()) as answer:
            text = answer.read().decode()
        assert "event: error" in text and "emotions" not in text, (path, text)


def test_an_uploaded_page_is_never_shown_as_a_page(demo_url, demo_sounds, demo_client):
    from gradio_client import handle_file

    stored = demo_client.endpoints[0]._upload_file(handle_file(demo_sounds / "page.html"), 0)
    with urllib.request.urlopen(f"{demo_url}gradio_api/file={stored['path']}") as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment")
