"""Clips, and systems without a service behind them, for the tests of the adapters."""

import io
import json
import threading
from hashlib import sha256

import numpy as np
import soundfile
from pyarrow import parquet

from evaluate_metrics.adapters.replies import Reply
from modeling_empathic.scoring.file import METADATA_KEY


def make_clips(n: int) -> list[tuple[str, bytes]]:
    """Half a second of noise each, and the id that Bench would give it."""
    clips = []
    for seed in range(n):
        file = io.BytesIO()
        noise = 0.1 * np.random.default_rng(seed).standard_normal(8000)
        soundfile.write(file, noise, 16_000, format="WAV")
        clips.append((sha256(file.getvalue()).hexdigest(), file.getvalue()))
    return clips


class FakeSystem:
    """Does with each attempt what its list says, the last entry again and again."""

    system, sdk, prompted, secret = "fake", "fake 1", True, ""

    def __init__(self, *steps, **settings):
        self.steps, self.settings = list(steps), settings
        self.n_asked = 0
        self._lock = threading.Lock()

    def ask(self, samples, prompt):
        with self._lock:
            self.n_asked += 1
            step = self.steps[min(self.n_asked, len(self.steps)) - 1]
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step = step(samples, prompt)
        return step if isinstance(step, Reply) else Reply(json.dumps(step), model="fake-1")


def rows_of(path) -> list[dict]:
    return parquet.read_table(path).to_pylist()


def outcomes_of(path) -> set[str]:
    return set(parquet.read_table(path)["outcome"].to_pylist())


def provenance_of(path) -> dict:
    return json.loads(parquet.read_schema(path).metadata[METADATA_KEY])
