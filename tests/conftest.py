"""Shared fixtures: a tiny model in the shape of the real one, and where real data may be."""

import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach for the Hub
# What libraries keep (remote code, built data sets) is each worker's own, and gone afterwards.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="emonet-voice-")
# Threads that wait for a core of another worker's are slower than none.
os.environ.setdefault(
    "OMP_NUM_THREADS",
    str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))),
)

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import tests.support.command  # noqa: F401 - keeps what is under way from saying so
from tests.support.local_hub_fixture import (  # noqa: F401
    hub_client_fixture,
    hub_user_fixture,
    local_hub_fixture,
    offline_user_fixture,
)
from tests.support.places import SHARED
from tests.support.public_heads import whisper_fixture  # noqa: F401
from tests.support.publish_maker import (  # noqa: F401
    publish_fixture,
    sources_fixture,
    staged_fixture,
)
from tests.support.scoring_fakes import write_clip
from tests.support.servers import LOGS
from tests.support.tiny import tiny_model
from tests.support.voice_in_browser import nano_onnx_fixture  # noqa: F401

# On a fresh checkout the first text strategy builds its table of characters, which takes seconds;
# how long an example takes says nothing here, so neither draws nor runs are timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the markers whose tests were not run, so that nobody takes them for passed."""
    skipped = terminalreporter.stats.get("skipped", [])
    counts = {name: sum(name in test.keywords for test in skipped) for name in ("real", "gpu")}
    left = [f"{name} ({count} skipped)" for name, count in counts.items() if count]
    if "not slow" in terminalreporter.config.option.markexpr:
        left.append("slow (`make slow`)")
    terminalreporter.write_line(f"not run, by marker: {', '.join(left) or 'none'}")


def pytest_unconfigure() -> None:
    """Takes away what libraries kept."""
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the servers that run at the time have printed last."""
    report = yield
    if report.failed:
        report.sections += [(f"end of {log}", log.read_text()[-3_000:]) for log in LOGS]
    return report


@pytest.fixture
def shared() -> Path:
    """The folder with real weights and recordings; the test is skipped where it is absent."""
    if not (SHARED / "data" / "emodb").is_dir():
        pytest.skip("the real recordings are not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """A saved tiny model with two full and two pooled heads, and its feature extractor."""
    from transformers import WhisperFeatureExtractor

    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model().save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def features():
    """`(3, 80, 3000)` mel features of three noises of different loudness."""
    import torch

    noise = torch.randn(3, 80, 3000, generator=torch.Generator().manual_seed(1))
    return noise * torch.tensor([0.2, 1.0, 3.0])[:, None, None]


@pytest.fixture
def clips(tmp_path, monkeypatch) -> list[str]:
    """Ten short clips in `clips/`, seen from the folder above."""
    monkeypatch.chdir(tmp_path)
    return [str(write_clip(Path(f"clips/{i}.wav"), seed=i)) for i in range(10)]


@pytest.fixture(scope="session")
def tone() -> np.ndarray:
    """Two seconds of a 220 Hz tone at 16 kHz."""
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(32_000) / 16_000)).astype(np.float32)
