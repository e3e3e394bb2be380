"""The page's address: settings and an example in, settings and an example out."""

import math
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import analysis
import gradio as gr
import voice_model
from voice_model import DEFAULT, SOURCES

EXAMPLES = {path.stem: path for path in sorted((Path(__file__).parent / "examples").glob("*.flac"))}
EMOTIONS = voice_model.load(DEFAULT).emotions  # on the GPU before anybody asks, as ZeroGPU wants


def settings_of_link(request: gr.Request) -> tuple[Any, ...]:
    """What the address asks for, as far as it makes sense: anybody can write one."""
    asked = dict(request.query_params)
    example = EXAMPLES.get(asked.get("example", ""))
    model = asked.get("model", DEFAULT)
    window_s = _number(asked.get("window"), 30.0)
    if window_s:
        window_s = max(window_s, analysis.MIN_WINDOW_S)
    return (
        str(example) if example else gr.skip(),  # somebody may have been quick to upload
        model if model in SOURCES else DEFAULT,
        window_s,
        _number(asked.get("hop"), window_s or 30.0),
        [name for name in asked.get("only", "").split(",") if name in EMOTIONS],
        asked["emotion"] if asked.get("emotion") in EMOTIONS else None,
    )


def _number(text: str | None, high: float) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return min(max(value, 0.0), high) if math.isfinite(value) else 0.0


def link(
    audio: str, model: str, emotions: list[str], window_s: float, hop_s: float, emotion: str
) -> tuple[str, bool]:
    """Query that `settings_of_link` reads, and whether it brings the recording back too."""
    asked = {"model": model, "emotion": emotion}
    asked |= {name: f"{s:g}" for name, s in (("window", window_s), ("hop", hop_s)) if s}
    if emotions:
        asked["only"] = ",".join(emotions)  # no name has a comma
    example = EXAMPLES.get(Path(audio).stem)
    if example and example.read_bytes() == Path(audio).read_bytes():
        asked["example"] = example.stem
    return urlencode(asked), "example" in asked
