"""The expert annotation tool of EmoNet-Voice (paper section 3.3, Figures 2 and 3) as a Space.

    python app.py        # an example batch with four raters; prints their links to sign in

Raters get one page of plain HTML, organisers a Gradio page. The raters' page is not made of Gradio
components because its answers must survive a server that dies between click and reply: it sends
the same request again until it is confirmed, which Gradio's queue does not do. It also owns the
keyboard and the focus, and gives a clip no name that could tell what was acted.
"""

import json
import math
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from admin_view import admin_page
from annotation_batch import MEDIA_TYPES
from annotation_project import HERE, Project, open_project
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response
from gradio.oauth import attach_oauth
from gradio.utils import get_space
from hearing import HearingError, read_hearing
from hub_backup import keep_backup
from look import THEME, head
from rater_list import Person, sha256, with_code, with_hub_user
from rating_store import StoreError
from raw_export import export
from sign_in import Attempts
from starlette.background import BackgroundTask
from starlette.middleware.sessions import SessionMiddleware

MAX_BODY_BYTES = 4_000
PAGES = {
    "/": "index.html",
    **{f"/{name}": name for name in ("page.js", "wave.js", "page.css", "look.js", "look.css")},
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; media-src blob:; frame-ancestors 'self' https://huggingface.co"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def small_json(request: Request) -> dict[str, Any]:
    """The body of a request that the page itself sent: a JSON object of few bytes."""
    # A page of another site cannot set this header, so it cannot answer in a rater's name.
    if request.headers.get("x-annotation") != "1":
        raise HTTPException(403, "not sent by the annotation page")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"more than {MAX_BODY_BYTES:,} bytes")
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise HTTPException(422, "not a JSON object")
    return given


def only(body: dict[str, Any], **kinds: type) -> list[Any]:
    """The values of exactly these keys. Who answers is never among them: the session says it."""
    if body.keys() != kinds.keys():
        raise HTTPException(422, f"needed: {', '.join(kinds)}; given: {', '.join(body)[:200]}")
    for key, kind in kinds.items():
        if type(body[key]) is not kind:
            raise HTTPException(422, f"{key} is not of type {kind.__name__}")
    return [body[key] for key in kinds]


def create_app(project: Project) -> FastAPI:
    """The server: the raters' page and its calls, and the organisers' page under `/admin`."""
    batch, people, store = project.batch, project.people, project.store
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    attempts = Attempts()

    def session_of(request: Request) -> str:
        """What names a session: a cookie, of which somebody may have a copy."""
        of_hub = request.session.get("oauth_info")
        return (
            sha256(json.dumps(of_hub, sort_keys=True)) if of_hub else request.session.get("id", "")
        )

    def somebody(request: Request) -> Person | None:
        if store.has_ended(session_of(request)):
            return None
        user = request.session.get("oauth_info", {}).get("userinfo", {}).get("preferred_username")
        if user:
            return with_hub_user(people, user)
        return with_code(people, request.session.get("code_sha256", ""))

    def rater(request: Request) -> Person:
        person = somebody(request)
        if person is None:
            raise HTTPException(401, "sign in first")
        if not person.rates:
            raise HTTPException(403, "organisers do not rate")
        return person

    def organiser(request: Request) -> Person:
        person = somebody(request)
        if person is None or person.rates:
            raise HTTPException(403, "for organisers only")
        return person

    def task(person: Person) -> dict[str, Any]:
        item = store.take(person.name)
        shown = item and {"id": item, "emotion": batch[item].emotion, "about": batch[item].about}
        return {"item": shown, **store.progress(person.name)._asdict()}  # gold looks like any other

    def add_page(route: str, file: Path) -> None:
        @app.get(route)
        def page() -> FileResponse:  # no arguments: FastAPI would fill them from the address
            return FileResponse(file, headers=HEADERS)

    for route, name in PAGES.items():
        add_page(route, HERE / name)

    @app.get("/api/me")
    def me(request: Request) -> dict[str, Any]:
        person = somebody(request)
        role = "stranger" if "oauth_info" in request.session else None
        if person is not None:
            role = "rater" if person.rates else "organiser"
        return {"role": role, "name": person and person.name, "hub": get_space() is not None}

    @app.post("/api/sign-in")
    def sign_in(request: Request, body: dict[str, Any] = Depends(small_json)) -> dict[str, Any]:
        (code,) = only(body, code=str)
        address = request.client.host if request.client else ""
        if wait_s := attempts.wait_s(address):
            seconds = math.ceil(wait_s)
            raise HTTPException(
                429,
                f"too many wrong codes; try again in {seconds} s",
                {"Retry-After": f"{seconds}"},
            )
        if with_code(people, sha256(code)) is None:
            attempts.wrong(address)
            raise HTTPException(401, "no rater has this code")
        request.session.clear()
        request.session["id"] = secrets.token_hex(16)
        request.session["code_sha256"] = sha256(code)
        return me(request)

    @app.post("/api/sign-out")
    def sign_out(request: Request, body: dict[str, Any] = Depends(small_json)) -> dict[str, Any]:
        if session := session_of(request):
            store.end_session(session)
        request.session.clear()
        return me(request)

    @app.post("/api/next")
    def next_task(
        person: Person = Depends(rater), body: dict[str, Any] = Depends(small_json)
    ) -> dict[str, Any]:
        return task(person)

    @app.post("/api/answer")
    def answer(
        person: Person = Depends(rater), body: dict[str, Any] = Depends(small_json)
    ) -> dict[str, Any]:
        item, score, hearing = only(body, item=str, score=int, hearing=dict)
        store.answer(person.name, item, score, read_hearing(hearing))
        return task(person)

    @app.post("/api/undo")
    def undo(
        person: Person = Depends(rater), body: dict[str, Any] = Depends(small_json)
    ) -> dict[str, Any]:
        store.undo(person.name)
        return task(person)

    @app.post("/api/unplayable")
    def unplayable(
        person: Person = Depends(rater), body: dict[str, Any] = Depends(small_json)
    ) -> dict[str, Any]:
        store.report_unplayable(person.name, *only(body, item=str))
        return task(person)

    @app.get("/clip/{item}")
    def clip(item: str, person: Person = Depends(rater)) -> FileResponse:
        if not store.holds(person.name, item):
            raise HTTPException(404, "not the recording that you are asked about")
        file = batch[item].clip
        return FileResponse(file, media_type=MEDIA_TYPES[file.suffix.lower()], headers=HEADERS)

    @app.get("/review/{item}")
    def review(item: str, person: Person = Depends(organiser)) -> FileResponse:
        if item not in batch:
            raise HTTPException(404, "not in this batch")
        file = batch[item].clip
        return FileResponse(file, media_type=MEDIA_TYPES[file.suffix.lower()], headers=HEADERS)

    @app.get("/export.parquet")
    def download(person: Person = Depends(organiser)) -> FileResponse:
        folder = tempfile.TemporaryDirectory()
        file = Path(folder.name) / "train-00000-of-00001.parquet"
        export(file, batch, store.ratings(), store.protocol, store.answers())
        done = BackgroundTask(folder.cleanup)
        return FileResponse(file, filename=file.name, headers=HEADERS, background=done)

    @app.exception_handler(HearingError)
    @app.exception_handler(StoreError)
    def refused(request: Request, error: Exception) -> Response:
        return Response(json.dumps({"detail": str(error)}), 409, media_type="application/json")

    gr.mount_gradio_app(
        app,
        admin_page(project),
        path="/admin",
        auth_dependency=lambda request: organiser(request).name,
        theme=THEME,
        head=head(),
        css_paths=HERE / "admin.css",
        footer_links=[],
        run_history=False,
        max_file_size=1,
        ssr_mode=False,
    )
    if get_space() is not None:
        attach_oauth(app)  # signs the session with the Space's own OAuth secret
    else:
        app.add_middleware(SessionMiddleware, secret_key=project.secret, same_site="lax")
    return app


def main() -> None:
    """Serves the project that the environment names."""
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    port = int(os.environ.get("GRADIO_SERVER_PORT", 7860))
    try:
        project = open_project()
        keep_backup(project, os.environ)
    except ValueError as error:
        sys.exit(f"error: {error}")
    if project.demo_codes:
        print("An example without real raters. Open one of these to sign in:")
        for name, code in project.demo_codes.items():
            print(f"  {name}: http://{host}:{port}/#code={code}")
    sys.stdout.flush()
    uvicorn.run(create_app(project), host=host, port=port, log_level="warning")


if __name__ == "__main__":
    main()
