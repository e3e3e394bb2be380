"""The tiny Whisper, for all tests of training."""

from tests.support.tiny_whisper import tiny_whisper_fixture  # noqa: F401
