"""The offline engine: eSpeak NG in eleven voices, acting by the rules of `synthesis/acted.py`.

A caricature: prosody of an emotion put on a formant synthesiser, after published correlates where
there are any (`synthesis/correlates.py`). It has two of the plan's English accents, British and
(for "no accent specified" and for all that it lacks) American, and says which one it spoke.
"""

from collections.abc import Mapping
from typing import Any

from dataset_scripts.synthesis.acted import NEUTRAL, Prosody, act
from dataset_scripts.synthesis.espeak import EspeakError, UnspeakableError

from .engines import ESPEAK, EngineError, RefusedError, Speech

VARIANTS = {
    "alloy": "f1",
    "coral": "f2",
    "fable": "f3",
    "nova": "f4",
    "sage": "f5",
    "shimmer": "linda",
    "ash": "m1",
    "ballad": "m2",
    "echo": "m3",
    "onyx": "m7",
    "verse": "max",
}
"""eSpeak's variant for each of the plan's voices."""

BRITISH = "British"
MANNERS = {
    "": NEUTRAL,
    "whispering": Prosody(0, 0.7, 0.9, -8, -2, breath=0.9),
    "shouting": Prosody(4, 1.2, 0.95, 8, 6, rough=0.2),
    "hiding it": NEUTRAL,
    "out of breath": Prosody(1, 1.0, 1.05, 0, 0, gap=5, breath=0.6),
    "half asleep": Prosody(-2, 0.6, 0.8, -4, -4, breath=0.3),
    "holding back tears": Prosody(1, 0.8, 0.9, -2, -1, tremor=0.6, pulse=0.2),
    "on stage": Prosody(0, 1.3, 0.85, 4, 3, gap=2),
}
"""Our own rule for each of the plan's challenges; what is hidden has half of its intensity."""


class Espeak:
    """Through `dataset_scripts.synthesis`; the same row always gives the same samples.

    Raises:
        EngineError: The extra `generate` is not installed.
    """

    name = ESPEAK

    def __init__(self) -> None:
        try:
            import espeakng_loader  # noqa: F401 - whether it is there
        except ImportError:
            raise EngineError(
                "engine espeak-ng needs espeakng-loader: pip install 'emonet-voice[generate]'"
            ) from None
        from importlib.metadata import version

        self.settings: dict[str, Any] = {"espeakng_loader": version("espeakng-loader")}

    def __call__(self, row: Mapping[str, Any]) -> Speech:
        """Speaks a row; see `Engine`."""
        accent = BRITISH if row["accent"] == BRITISH else ""
        language = row["language"]
        if language == "en":
            language = "en" if accent else "en-us"  # eSpeak's "en" is British
        hidden = row["challenge"] == "hiding it"
        for column, known in (("voice", VARIANTS), ("challenge", MANNERS)):
            if row[column] not in known:
                raise RefusedError(f"{column}={row[column]!r}; valid: {', '.join(known)}")
        try:
            clip = act(
                row["text"],
                language,
                VARIANTS[row["voice"]],
                row["target_emotion"],
                row["target_intensity"] * (0.5 if hidden else 1.0),
                row["seed"],
                MANNERS[row["challenge"]],
                padded=True,
            )
        except UnspeakableError as error:
            raise RefusedError(str(error)) from None
        except EspeakError as error:
            raise EngineError(str(error)) from None
        return Speech(clip.audio, clip.sampling_rate, accent, clip.voice)
