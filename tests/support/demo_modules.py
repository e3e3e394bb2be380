"""The modules of the demo's Space, a voice, and what the page would show of it."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from modeling_empathic import NANO
from tests.support.places import REPOSITORY

SPACE = REPOSITORY / "spaces" / "empathic_insight_voice"
MODULES = ("families", "voice_model", "analysis", "panels", "lanes", "exports", "turns")
HOSTILE = "<script>alert(1)</script>\"'&.wav"


@pytest.fixture(scope="module", name="space")
def space_fixture():
    """The modules of the Space, which lie flat in its folder, with Nano as their model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMONET_MODEL_FOLDER", str(NANO))
        patch.syspath_prepend(str(SPACE))
        before = set(sys.modules)
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
        for name in set(sys.modules) - before:
            if name in MODULES or name.split(".")[0] == "emonet":
                del sys.modules[name]  # another Space may have a module of that name


@pytest.fixture(scope="module", name="voice")
def voice_fixture(space):
    """Two and a half seconds of a tone that wavers, at 16 kHz."""
    time_s = np.arange(40_000) / 16_000
    tone = np.sin(2 * np.pi * 150 * time_s + 3 * np.sin(2 * np.pi * 5 * time_s))
    return (0.3 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * time_s))).astype(np.float32)


@pytest.fixture(scope="module", name="results")
def results_fixture(space, voice):
    """What the page shows of that voice."""
    return SimpleNamespace(
        score=space.analysis.score(voice, "nano"),
        timeline=space.analysis.timeline(voice, "nano", 1.0, 0.5),
        moments=space.analysis.moments(voice, "nano", "Anger"),
        acoustics=space.analysis.acoustics(voice),
        wave=space.analysis.envelope(voice),
    )


@pytest.fixture(name="tiny")
def tiny_fixture(space, model_folder, monkeypatch):
    """A model with full heads and pooled ones, by the name `tiny`."""
    monkeypatch.setitem(space.voice_model.SOURCES, "tiny", str(model_folder))
    yield "tiny"
    for key in [key for key in space.voice_model._LOADED if key[0] == "tiny"]:
        del space.voice_model._LOADED[key]
