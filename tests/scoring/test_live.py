"""Sound that is scored while it comes: by the iterator, and by `emonet-voice listen`."""

import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from modeling_empathic.audio import AudioError
from modeling_empathic.scoring.clips import score_files
from modeling_empathic.scoring.cuts import Cuts
from modeling_empathic.scoring.live import live, pcm_blocks
from modeling_empathic.taxonomy import UserError
from tests.support.command import run_command
from tests.support.scoring_fakes import HEADS, FakeExtractor, FakeModel

SOUND = np.random.default_rng(0).uniform(-0.3, 0.3, 16_000 * 8).astype(np.float32)


def pcm(samples) -> bytes:
    return (samples * 32_768).astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_rows_are_those_of_the_file(rate, tmp_path):
    soundfile.write(tmp_path / "x.wav", SOUND, rate)
    cuts = Cuts(2, 1)
    of_file = list(
        score_files([tmp_path / "x.wav"], FakeModel(), FakeExtractor(), batch_size=1, cuts=cuts)
    )
    blocks = pcm_blocks(io.BytesIO(pcm(SOUND)), 1, block_bytes=1_601)
    rows = list(live(blocks, rate, FakeModel(), FakeExtractor(), cuts=cuts))
    assert len(rows) == len(of_file) > 0
    for row, expected in zip(rows, of_file, strict=True):
        for key in ("start_s", "end_s", "quality", "outcome"):
            assert row[key] == expected[key]
        assert [row[name] for name in HEADS] == pytest.approx(
            [expected[n] for n in HEADS], abs=1e-4
        )
        assert row["delay_s"] >= 0 and row["passed_over"] == 0


def test_a_row_comes_with_the_block_that_completes_its_window():
    taken = []

    def blocks():
        for at in range(0, len(SOUND), 4_000):
            taken.append((at + 4_000) / 16_000)
            yield SOUND[at : at + 4_000]

    for row in live(blocks(), 16_000, FakeModel(), FakeExtractor(), cuts=Cuts(2, 0.5)):
        assert row["end_s"] == taken[-1]  # not a quarter of a second later


def test_a_microphone_faster_than_the_model_loses_the_oldest_and_says_how_many():
    blocks = [SOUND[:40_000], SOUND[40_000:120_000]]
    rows = list(live(blocks, 16_000, FakeModel(), FakeExtractor(), cuts=Cuts(2, 1), keep_up=True))
    assert [(row["end_s"], row["passed_over"]) for row in rows] == [(2, 0), (7, 4), (7.5, 0)]


def test_sound_that_is_none_is_an_error():
    for blocks, words in (([], "no samples"), ([np.zeros(32_000, np.float32)], "silence")):
        with pytest.raises(AudioError, match=words):
            list(live(blocks, 16_000, FakeModel(), FakeExtractor()))


MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)


@pytest.mark.parametrize(
    ("head", "refused"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", True),
        (b".snd\0\0\0\x18\0\0\0\0\0\0\0\3\0\0\x3e\x80\0\0\0\1", True),
        (b"#!AMR\n", True),
        (b"<!DOCTYPE html>", True),
        (MP3_FRAME * 4, True),
        (b"\xff\xfb" + pcm(SOUND[:2_000]), False),
        (bytes(4_000), False),
        (b"\xff\xff" * 2_000, False),
    ],
)
def test_a_file_is_no_raw_sound_however_slowly_it_comes(head, refused):
    class Slow(io.BytesIO):
        def read1(self, size=-1):
            return super().read(1)

    blocks = pcm_blocks(Slow(head + bytes(600)), 1)
    if refused:
        with pytest.raises(UserError, match="a file, not raw PCM"):
            next(blocks)
    else:
        assert sum(len(block) for block in blocks) == len(head + bytes(600)) // 2


@pytest.mark.parametrize("silence", [0, 20_000])
def test_samples_of_floats_are_no_integers(silence):
    floats = np.pad(SOUND, (silence, 0)).astype("<f4").tobytes()
    with pytest.raises(UserError, match="32-bit floats, not of 16-bit integers"):
        list(pcm_blocks(io.BytesIO(floats), 1, block_bytes=4_096))


@pytest.mark.parametrize("loudness", [0.0001, 0.01, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["noise", "tone", "square", "offset"])
def test_integers_are_no_floats_whatever_they_sound_like(kind, loudness):
    tone = np.sin(np.arange(32_000) / 8)
    sound = {"noise": SOUND / 0.3, "tone": tone, "square": np.sign(tone), "offset": 1 + tone / 9}
    content = (loudness * sound[kind] * 32_767 / 1.2).astype("<i2").tobytes()
    assert sum(len(block) for block in pcm_blocks(io.BytesIO(content), 1)) == len(content) // 2


def test_blocks_are_whatever_holds_samples():
    def rows(*blocks):
        found = live(blocks, 16_000, FakeModel(), FakeExtractor(), cuts=Cuts(4, 4))
        return [row | {"delay_s": 0} for row in found]

    expected = rows(SOUND)
    for block in (SOUND.astype(float), SOUND.tolist(), torch.from_numpy(SOUND), SOUND[:, None]):
        assert rows(SOUND[:0], block) == expected


@pytest.mark.parametrize(
    ("block", "rate", "words"),
    [
        (SOUND[None], 16_000, "32 at most"),  # channels first
        (SOUND[0], 16_000, "shape"),
        (SOUND[None, None], 16_000, "shape"),
        (b"abcd", 16_000, "type"),
        (SOUND > 0, 16_000, "type bool"),
        (SOUND, 0, "sampling rate 0 is not"),
        (SOUND, "16000", "sampling rate '16000' is not"),
    ],
)
def test_a_block_that_holds_none_says_what_it_is(block, rate, words):
    with pytest.raises(AudioError, match=words):
        list(live([block], rate, FakeModel(), FakeExtractor()))


def test_what_the_source_raises_is_the_caller_s():
    def blocks():
        yield SOUND
        raise RuntimeError("unplugged")

    rows = live(blocks(), 16_000, FakeModel(), FakeExtractor(), cuts=Cuts(4, 4))
    assert next(rows)["end_s"] == 4
    with pytest.raises(RuntimeError, match="unplugged"):
        list(rows)


def test_a_closed_stdin_is_no_sound_and_no_paths(faked, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    for command, words in ((("listen",), "no samples"), (("score", "-"), "no paths on stdin")):
        code, _, error = run_command(*command)
        assert code == 2 and words in error


@pytest.fixture
def piped(monkeypatch, faked):
    def listen(content: bytes, *options):
        stdin = SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", stdin)
        return run_command("listen", *options)

    return listen


def test_a_pipe_of_pcm_gives_a_json_line_a_hop(piped):
    code, out, error = piped(pcm(SOUND), "--window", "2", "--json", "--heads", "anger")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0, error
    assert [row["end_s"] for row in rows] == [2, 3, 4, 5, 6, 7, 8]
    assert set(rows[0]) == {
        *("start_s", "end_s", "anger", "quality", "outcome", "passed_over", "delay_s")
    }
    both = np.stack([SOUND, SOUND], axis=1)
    code, out, _ = piped(pcm(both), "--channels", "2", "--window", "4", "--hop", "4", "--top", "1")
    assert code == 0 and len(out.splitlines()) == 2
    assert out.startswith("0.0 s to 4.0 s: Awe ")


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"RIFF....WAVEfmt ", (), "a file, not raw PCM"),
        (b"", (), "no samples"),
        (pcm(SOUND), ("--rate", "16"), "rate: sampling rate 16 is not"),
        (pcm(SOUND), ("--hop", "4"), "hop 4 s: choose 0.1 to 3 s"),
    ],
)
def test_what_cannot_be_listened_to_is_one_line(piped, content, options, words):
    code, out, error = piped(content, *options)
    lines = [line for line in error.splitlines() if not line.startswith("Model: Nano")]
    assert code == 2 and words in error and out == "" and len(lines) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--window", "0.5"), "window 0.5 s: choose 1 to 30 s"),
        (("--window", "31"), "window 31 s: choose 1 to 30 s"),
        (("--hop", "4"), "hop 4 s: choose 0.1 to 3 s"),
        (("--rate", "16"), "sampling rate 16 is not"),
    ],
)
def test_what_no_model_could_listen_to_is_refused_before_one_is_looked_for(
    piped, monkeypatch, options, words
):
    monkeypatch.setattr("emonet_voice.cli.listen.ready", None)
    code, out, error = piped(b"", *options)
    assert code == 2 and out == "" and error.startswith("error: ") and words in error


def test_without_a_pipe_a_microphone_is_asked_for(monkeypatch, faked):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    code, _, error = run_command("listen")
    assert code == 2 and 'pip install "emonet-voice[live]"' in error
