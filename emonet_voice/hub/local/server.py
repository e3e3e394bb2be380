"""A Hugging Face Hub on this machine, for tests and for rehearsing a release.

The real clients run their real calls against it: `huggingface_hub` (create, upload, commit, pull
request, tag, collection, download), `load_dataset` (downloaded and streamed), `AutoModel` with
remote code, `evaluate.load`. Standard library only; bound to 127.0.0.1; what is uploaded is kept
in one folder. Not there: xet transfer (clients need `HF_HUB_DISABLE_XET=1`), git, `.gitignore`,
the rules for a card's metadata beyond its YAML, lists of repositories, the last commit of each
file, settings, gated repositories, discussions, Spaces that run.

    python -m emonet_voice.hub.local FOLDER --load laion/emonet-voice-bench=bench:dataset
"""

import argparse
import os
import re
import shlex
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import sleep

from modeling_empathic.report.tables import printable
from modeling_empathic.taxonomy import UserError

from . import api, api_collections
from .blobs import HubError
from .handler import Route, Server
from .store import KINDS, Store

_PART = r"[\w.-]+"
_PARTS = {
    "{repo}": rf"/api/(?P<kind>model|dataset|space)s/(?P<id>{_PART}(/{_PART})?)",
    "{page}": rf"/((?P<kind>dataset|space)s/)?(?P<id>{_PART}(/{_PART})?)",
    "{rev}": r"(?P<rev>refs/pr/\d+|[^/]+)",
    "{name}": r"(?P<name>[^/]+)",
    "{path}": r"(?P<path>.+)",
    "{slug}": rf"(?P<slug>{_PART}/{_PART})",
    "{upload}": r"/lfs/(?P<sha256>[0-9a-f]{64})/(?P<key>[0-9a-f]{64})",
}
ROUTES: tuple[Route, ...] = tuple(
    (method, re.compile(re.sub(r"\{\w+\}", lambda part: _PARTS[part[0]], path)), endpoint)
    for method, path, endpoint in (
        ("GET", "/api/agent-harnesses", api.agents),
        ("GET", "/api/whoami-v2", api.whoami),
        ("POST", "/api/repos/create", api.create_repo),
        ("DELETE", "/api/repos/delete", api.delete_repo),
        ("POST", "/api/validate-yaml", api.validate_yaml),
        ("POST", "/api/collections", api_collections.create_collection),
        ("GET", "/api/collections/{slug}", api_collections.collection),
        ("POST", "/api/collections/{slug}/items", api_collections.add_to_collection),
        ("GET", "{repo}/revision/{rev}", api.info),
        ("GET", "{repo}/refs", api.refs),
        ("GET", "{repo}/commits/{rev}", api.commits),
        ("GET", "{repo}/tree/{rev}", api.tree),
        ("GET", "{repo}/tree/{rev}/{path}", api.tree),
        ("POST", "{repo}/paths-info/{rev}", api.paths_info),
        ("POST", "{repo}/preupload/{rev}", api.preupload),
        ("POST", "{repo}/commit/{rev}", api.commit),
        ("POST", "{repo}/branch/{name}", api.create_branch),
        ("DELETE", "{repo}/branch/{name}", api.delete_branch),
        ("POST", "{repo}/tag/{rev}", api.create_tag),
        ("DELETE", "{repo}/tag/{name}", api.delete_tag),
        ("GET", "{repo}", api.info),
        ("POST", r"{page}\.git/info/lfs/objects/batch", api.lfs_batch),
        ("PUT", "{upload}", api.lfs_upload),
        ("POST", "{upload}", api.lfs_verify),
        ("GET", "{page}/resolve/{rev}/{path}", api.resolve),
    )
)


class LocalHub:
    """Serves a folder as a Hub while its `with` block lasts.

    Args:
        folder: Where the repositories are kept; made if absent. One process at a time.
        port: 0 takes a free one.

    Attributes:
        url: The endpoint.
        token: May write, and see private repositories; without it only public ones are seen.
        requests: `"METHOD path"` of every request so far.
        unknown: Those of them that no endpoint here answers.

    Raises:
        OSError: On entering, if the port is in use.
        UserError: On entering, if the folder is.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, LocalHub(folder) as hub:
        ...     hub.url.startswith("http://127.0.0.1:"), hub.requests
        (True, [])
    """

    def __init__(self, folder: str | os.PathLike[str], port: int = 0):
        self._folder, self._port = Path(folder), port
        self.requests: list[str] = []
        self.unknown: list[str] = []

    def __enter__(self) -> "LocalHub":
        self._store = Store(self._folder)
        try:
            self._server = Server(self._port, self._store, ROUTES, self.requests, self.unknown)
        except BaseException:
            self._store.close()
            raise
        self.url, self.token = self._server.url, self._store.token
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._store.close()

    def add(self, repo_id: str, folder: str | os.PathLike[str], kind: str = "dataset") -> str:
        """Makes `main` of a repository hold exactly the files of a folder, without a client.

        Args:
            repo_id: `namespace/name`; made, public, if it does not exist.
            folder: Its files, at any depth, but for `.git` and `.cache`.
            kind: `"model"`, `"dataset"` or `"space"`.

        Returns:
            The commit id; that of the last commit if nothing has changed.

        Raises:
            HubError: A kind, name or path that the Hub does not allow.
            NotADirectoryError: If `folder` is none.
        """
        return self._store.mirror(kind, repo_id, Path(folder))

    def environment(self, home: str | os.PathLike[str]) -> dict[str, str]:
        """Variables for a client process; the libraries read them once, when imported.

        Args:
            home: For the client's caches, which must not be those that the real Hub filled.
        """
        caches = ("HUB", "DATASETS", "MODULES", "EVALUATE", "METRICS")
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "HF_HOME": str(home),
            **{f"HF_{name}_CACHE": str(Path(home, name.lower())) for name in caches},
            "HF_HUB_OFFLINE": "0",
            # Ten seconds are a long time for a Hub far away; this one shares the machine's cores.
            "HF_HUB_ETAG_TIMEOUT": "600",
            "HF_HUB_DOWNLOAD_TIMEOUT": "600",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves a folder until it is interrupted, and says what clients must export."""
    parser = argparse.ArgumentParser(
        prog="python -m emonet_voice.hub.local",
        description="A Hugging Face Hub on 127.0.0.1.",
    )
    parser.add_argument("folder", type=Path, help="where the repositories are kept")
    parser.add_argument("--port", type=int, default=8888, help="0 takes a free one")
    parser.add_argument(
        "--load",
        action="append",
        default=[],
        metavar="NAMESPACE/NAME=FOLDER:KIND",
        help=f"put a folder into a repository first; KIND is one of {', '.join(KINDS)}",
    )
    options = parser.parse_args(arguments)
    try:
        with LocalHub(options.folder, options.port) as hub:
            for load in options.load:
                repo_id, _, source = load.partition("=")
                folder, _, kind = source.rpartition(":")
                hub.add(repo_id, folder, kind)
            for name, value in hub.environment(options.folder.absolute() / "client").items():
                print(f"export {name}={shlex.quote(value)}", flush=True)
            while True:
                sleep(3600)
    except KeyboardInterrupt:
        return 0
    except (HubError, UserError, OSError, OverflowError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
