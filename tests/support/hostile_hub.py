"""Commands that talk to a Hub which fails in every way; a process of its own, as the Hub's client
reads its address when it is imported.

    python -m tests.support.hostile_hub FOLDER [MODE ...]

Prints a JSON line a mode and command: its exit code, what it said, and what came to another origin.
"""

import io
import json
import logging
import os
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from tests.support.hostile_server import MODES, PLANTED, hostile_server

MEMORY_BYTES = 2**20
COMMANDS = {
    "score": ["score", "clip.wav", "--model", "owner/model", "--output", "x.csv", "--quiet"],
    "convert": ["convert", "owner/heads", "model"],
    "build": ["bench", "build", "owner/raw", "bench"],
    "evaluate": ["evaluate", "said.csv", "--bench", "owner/bench"],
    "push": ["publish", "push", "--only", "emonet_voice", "--yes"],
}


def main() -> None:
    folder, *modes = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    with hostile_server() as server:
        os.environ |= {
            "HF_ENDPOINT": server.url,
            "HF_TOKEN": PLANTED,
            "HF_HOME": str(Path("home").absolute()),
            "XDG_CACHE_HOME": str(Path("home/cache").absolute()),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        from emonet_voice.cli.app import run
        from modeling_empathic.report import client
        from tests.support.scoring_fakes import write_clip

        logging.disable(logging.NOTSET)
        client.MAX_HUB_REPLY_BYTES = MEMORY_BYTES
        time.sleep = lambda _: None
        write_clip(Path("clip.wav"))
        Path("said.csv").write_text("clip_id,emotion,score\na,Awe,1\n")
        for mode in modes or MODES:
            for name, arguments in COMMANDS.items():
                server.mode = mode
                server.elsewhere.clear()
                said, started = io.StringIO(), time.perf_counter()
                with redirect_stdout(said), redirect_stderr(said):
                    try:
                        code = run(arguments)
                    except BaseException:  # noqa: BLE001 - what a user would see
                        code = -1
                        traceback.print_exc()
                row = {"mode": mode, "command": name, "code": code, "said": said.getvalue()}
                row |= {"elsewhere": [head.decode("latin-1") for head in server.elsewhere]}
                row["seconds"] = round(time.perf_counter() - started, 2)
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
