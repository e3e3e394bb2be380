"""A read-only stand-in for the Hub: serves one folder as a model repository and notes requests."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubStub:
    """Serves `folder` as the model `repo_id` on a free port; `.requests` are `"GET name"`."""

    def __init__(self, folder: Path, repo_id: str):
        self.requests: list[str] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                path = self.path.split("?")[0]
                api = f"/api/models/{repo_id}"
                if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
                    names = sorted(file.name for file in folder.iterdir())
                    info = {"id": repo_id, "sha": COMMIT, "private": False, "gated": False,
                            "siblings": [{"rfilename": name} for name in names]}  # fmt: skip
                    self.answer(
                        200, json.dumps(info).encode(), {"Content-Type": "application/json"}
                    )
                    return
                if path.startswith((f"{api}/tree/main", f"{api}/tree/{COMMIT}")):
                    listing = [{"type": "file", "path": file.name, "size": file.stat().st_size,
                                "oid": "0" * 40} for file in sorted(folder.iterdir())]  # fmt: skip
                    self.answer(
                        200, json.dumps(listing).encode(), {"Content-Type": "application/json"}
                    )
                    return
                for revision in ("main", COMMIT):
                    prefix = f"/{repo_id}/resolve/{revision}/"
                    file = folder / path.removeprefix(prefix)
                    if path.startswith(prefix) and file.is_file():
                        stub.requests.append(f"{self.command} {file.name}")
                        content = file.read_bytes()
                        etag = hashlib.sha256(content).hexdigest()
                        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
                        self.answer(200, content, headers)
                        return
                code = "EntryNotFound" if repo_id in path else "RepoNotFound"
                self.answer(404, b"", {"X-Error-Code": code, "X-Repo-Commit": COMMIT})

            def answer(self, status, content, headers):
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()
