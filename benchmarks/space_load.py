"""Spaces under load: 50 users of the demo for ten minutes; 20 raters whose server is killed.

    python benchmarks/space_load.py [demo] [annotation] [--minutes 10] [--users 50] [--kills 20]

A user asks for the whole page of a 5 s clip again and again. A rater answers what the server asks;
where no reply comes, for the server was killed, the same answer is sent again, as the page does.
In the end every answer that was confirmed must be kept, once. Writes
`results/space_load.json` and `reliability.md`.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
RESULT = HERE / "results" / "space_load.json"
N_CLIPS, N_RATERS, KILL_EVERY_S = 1_000, 20, 6.0


def main() -> None:
    """Command line of `space_load.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help="demo, annotation; both if none is named")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    from benchmarks.reliability import write_page
    from benchmarks.report import machine
    from modeling_empathic.report.files import write_json

    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "demo": lambda folder: demo(folder, arguments.users, 60 * arguments.minutes),
        "annotation": lambda folder: annotation(folder, arguments.kills),
    }
    for part in arguments.parts or parts:
        about = {"machine": machine(), "load_before": round(os.getloadavg()[0], 1)}
        with tempfile.TemporaryDirectory() as folder:
            results[part] = {**about, "measured": parts[part](Path(folder))}
        print(results[part]["measured"])
    write_json(RESULT, results, indent=1)
    write_page()


def demo(folder: Path, users: int, seconds: float) -> dict[str, Any]:
    """A crowd at the demo Space with Nano."""
    from benchmarks.space_demo import crowd, recordings
    from modeling_empathic import NANO
    from modeling_empathic.saving_empathic import write_code
    from tests.support.browser_fixture import running_space

    shutil.copytree(NANO, folder / "Nano")
    write_code(folder / "Nano")
    variables = {"EMONET_MODEL_FOLDER": str(folder / "Nano"), "HF_HUB_OFFLINE": "1"}
    space = HERE.parent / "spaces" / "empathic_insight_voice"
    clip = recordings(folder)["5 s"]
    with running_space(space, folder, **variables) as url:
        time.sleep(20)  # it compiles what librosa needs, as it would between two visitors
        found = crowd(url, int((folder / "pid").read_text()), clip, users, seconds)
    return {**found, "seconds": seconds}


def annotation(folder: Path, kills: int) -> dict[str, Any]:
    """Raters at the annotation Space, whose server dies and starts again."""
    from tests.support.annotation_maker import SPACE, sha256, write_batch
    from tests.support.browser_fixture import killable_space

    names = [f"rater-{number:02d}" for number in range(N_RATERS)]
    lines = [f"{name},{'fm'[at % 2]},,{sha256(name)}" for at, name in enumerate(names)]
    people = "\n".join(["name,gender,hub_user,code_sha256", *lines, f"lab,,,{sha256('lab')}"])
    (folder / "raters.csv").write_text(people + "\n")
    environment = {
        "ANNOTATION_BATCH": str(write_batch(folder, N_CLIPS)),
        "ANNOTATION_RATERS": str(folder / "raters.csv"),
        "ANNOTATION_DATA": str(folder / "data"),
    }
    with killable_space(SPACE, folder, **environment) as server:
        raters = [Rater(server.url, name) for name in names]
        threads = [threading.Thread(target=rater.work) for rater in raters]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        killed = 0
        while any(thread.is_alive() for thread in threads):
            time.sleep(random.uniform(0.5, 1.5) * KILL_EVERY_S)
            if killed < kills and any(thread.is_alive() for thread in threads):
                server.kill()
                server.start()
                killed += 1
        seconds = time.perf_counter() - started
        kept = kept_answers(folder)
    confirmed = {answer for rater in raters for answer in rater.confirmed}
    return {
        "raters": N_RATERS,
        "clips": N_CLIPS,
        "kills": killed,
        "seconds": round(seconds, 1),
        "confirmed": len(confirmed),
        "sent_again": sum(rater.sent_again for rater in raters),
        "kept": len(kept),
        "lost": len(confirmed - set(kept)),
        "twice": len(kept) - len({answer[:2] for answer in kept}),
        "refused": [reason for rater in raters for reason in rater.refused],
    }


class Rater:
    """Somebody who answers until there is nothing left.

    Attributes:
        confirmed: Clip, rater and score of each answer that the server confirmed.
        sent_again: Requests that had no reply at first.
        refused: What the server said to answers that it did not take.
    """

    def __init__(self, url: str, name: str):
        import httpx

        self.name, self.sent_again = name, 0
        self.confirmed: list[tuple[str, str, int]] = []
        self.refused: list[str] = []
        self._client = httpx.Client(base_url=url, headers={"X-Annotation": "1"}, timeout=60)
        self._draw = random.Random(name)

    def work(self) -> None:
        """Signs in and answers."""
        from tests.support.annotation_maker import HEARD

        self._post("/api/sign-in", code=self.name)
        task = self._post("/api/next").json()
        while task.get("item"):
            item, score = task["item"]["id"], self._draw.randrange(3)
            reply = self._post("/api/answer", item=item, score=score, hearing=HEARD)
            if reply.is_success:
                self.confirmed.append((item, self.name, score))
                task = reply.json()
            else:
                self.refused.append(str(reply.json().get("detail")))
                task = self._post("/api/next").json()

    def _post(self, path: str, **body: Any) -> Any:
        import httpx

        while True:
            try:
                return self._client.post(path, json=body)
            except httpx.TransportError:
                self.sent_again += 1
                time.sleep(0.2)


def kept_answers(folder: Path) -> list[tuple[str, str, int]]:
    """Clip, rater and score of every answer that the store has."""
    import sqlite3

    with sqlite3.connect(folder / "data" / "ratings.sqlite") as database:
        rows = database.execute(
            "SELECT item, rater, score FROM seats WHERE score IS NOT NULL"
        ).fetchall()
    return [tuple(row) for row in rows]


if __name__ == "__main__":
    main()
