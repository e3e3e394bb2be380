"""A conversion says what its files are, and who changed one since is told."""

import json
from pathlib import Path

import pytest

from emonet_voice.hub.convert import convert
from emonet_voice.hub.quantize import quantize
from modeling_empathic.scoring.conversion import changed
from modeling_empathic.scoring.loading import load_model
from modeling_empathic.taxonomy import UserError
from tests.support.public_heads import save_release

HEADS = ["Anger", "Jealousy & Envy", "Speech Quality"]


@pytest.fixture
def release(tmp_path) -> Path:
    return save_release(tmp_path / "release")


def load_scoring(folder):
    return load_model(str(folder), revision=None, heads=[], device="cpu", dtype="auto")


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_settings_that_changed_since_the_conversion_are_not_scored_with(
    release, whisper, tmp_path, file
):
    out = tmp_path / "out"
    convert(release, out, whisper, heads=HEADS)
    load_scoring(out)
    text = (out / file).read_text()
    (out / file).write_text(text.replace(": 1", ": 2", 1))
    with pytest.raises(UserError, match=f"{file} is not as it was converted.*'files'"):
        load_scoring(out)


def test_a_byte_of_the_weights_that_changed_is_found_before_they_are_published(
    release, whisper, tmp_path
):
    out = tmp_path / "out"
    convert(release, out, whisper, heads=HEADS)
    assert changed(out, weights=True) == []
    weights = sorted(out.glob("*.safetensors"))[-1]
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert changed(out, weights=True) == [weights.name]
    weights.unlink()
    assert changed(out, weights=False) == [weights.name]


def test_what_is_made_of_a_conversion_has_its_own_digests(release, whisper, tmp_path):
    convert(release, tmp_path / "out", whisper, heads=HEADS)
    quantize(tmp_path / "out", tmp_path / "int8")
    assert changed(tmp_path / "int8", weights=True) == []
    kept, sealed = (
        json.loads((tmp_path / name / "conversion.json").read_text()) for name in ("out", "int8")
    )
    assert kept["sha256"] == sealed["sha256"] and kept["files"] != sealed["files"]
