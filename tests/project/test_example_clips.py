"""The example clips are small, in four languages, and rebuild to the same samples."""

import numpy as np
import pytest
import soundfile

from tests.support.places import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def test_the_clips_rebuild_to_the_same_samples(tmp_path, monkeypatch):
    pytest.importorskip("espeakng_loader")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from make_clips import make_clips

    built = make_clips(tmp_path)
    kept = sorted((EXAMPLES / "clips").glob("*.flac"))
    assert sorted(path.name for path in built) == [path.name for path in kept]
    assert {path.name[:2] for path in kept} == {"en", "de", "es", "fr"}
    assert sum(path.stat().st_size for path in kept) < 1_000_000
    for path in kept:
        samples, rate = soundfile.read(path)
        np.testing.assert_allclose(soundfile.read(tmp_path / path.name)[0], samples, atol=2 / 32768)
        assert 1 < len(samples) / rate < 6
    text = (EXAMPLES / "clips" / "README.md").read_text(encoding="utf-8")
    assert text == (tmp_path / "README.md").read_text(encoding="utf-8")
