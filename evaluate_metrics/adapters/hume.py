"""Hume's Expression Measurement, live. NEVER TESTED against the real service.

The service that the paper used ended in June 2026. The one after it is in limited release, scores
415 labels as probabilities, and its answers are read here as its public documentation describes
them. Table 8 was made for the old labels: only those that still have the same name are mapped.
Stored results of the old service are read by `stored.py`.
"""

from typing import Any

import numpy as np

from modeling_empathic.audio import SAMPLE_RATE, windows

from .errors import AdapterError, TransientError, from_status, key_from_environment, retry_after
from .gpt_audio import without_credentials
from .labels import Window, as_json, hume_emotions, label_means, on_0_10
from .prompt import Prompt
from .replies import Reply
from .wav import WAV, to_wav

CHUNK_S = 5.0
"""The longest input that the paper gave Hume (section 4)."""
_PATH = "/v1/expression/audio/file"


class Hume:
    """Sends a clip in chunks of 5 s; a score is the mean over chunks, weighted by their length.

    A rate limit counts clips, not chunks.

    Needs HUME_API_KEY in the environment.

    Args:
        system: Name in `SYSTEMS`.
        base_url: By default Hume's.
        timeout_s: Of one request.

    Raises:
        AdapterError: No key.
    """

    prompted = False

    def __init__(
        self,
        system: str,
        *,
        base_url: str | None = None,
        timeout_s: float = 120.0,
    ):
        import httpx2

        from modeling_empathic.report.client import client

        self.secret, self._key_name = key_from_environment("HUME_API_KEY")
        base_url = base_url or "https://api.cloud.hume.ai"
        server = without_credentials(base_url)
        self._client = client(
            base_url=base_url, timeout=timeout_s, headers={"X-Hume-Api-Key": self.secret}
        )
        self.system, self.sdk = system, f"httpx2 {httpx2.__version__}"
        self.settings: dict[str, Any] = {
            "server": server,
            "chunk_s": CHUNK_S,
            "audio": WAV,
            "tested": False,
        }

    def ask(self, samples: np.ndarray, prompt: Prompt) -> Reply:
        """Asks about every chunk; see `Adapter.ask`."""
        chunks: list[Window] = []
        for part in windows(len(samples), CHUNK_S):
            weight = (part.stop - part.start) / SAMPLE_RATE
            scores = label_means(self._measure(to_wav(samples[part])))
            if scores:  # a chunk without speech has none
                chunks.append((weight, scores))
        emotions = on_0_10(hume_emotions(label_means(chunks)), "0-1")
        if not emotions:
            return Reply("", finish="no speech found")
        return Reply(as_json(emotions))

    def _measure(self, wav: bytes) -> list[Window]:
        import httpx2

        from modeling_empathic.report.client import UNREADABLE

        try:
            answer = self._client.post(_PATH, files={"file": ("clip.wav", wav, "audio/wav")})
        except httpx2.HTTPError as error:
            raise TransientError(f"{type(error).__name__}: {error}") from None
        if answer.status_code != 200:
            raise from_status(
                answer.status_code,
                answer.text,
                key_name=self._key_name,
                retry_after_s=retry_after(answer.headers),
            )
        try:
            return [
                (
                    float(measurement["audio_end_ms"] - measurement["audio_start_ms"]),
                    {str(r["name"]): float(r["probability"]) for r in measurement["expressions"]},
                )
                for utterance in answer.json()["utterances"]
                for measurement in utterance["measurements"]
            ]
        except UNREADABLE as error:
            raise AdapterError(
                f"the answer is not as documented ({type(error).__name__}: {error}); this adapter "
                "has never been tested against the service"
            ) from None
