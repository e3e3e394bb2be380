"""One open file a clip, and no more decoded at once than the budget allows."""

import hashlib
import threading
import time

import numpy as np
import pytest

from modeling_empathic.audio import AudioError, read_audio
from modeling_empathic.scoring.clips import prefetch
from modeling_empathic.scoring.reading import Budget, opened
from tests.support.sounds import tone, with_soundfile


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(with_soundfile(tone(), format="WAV", subtype="FLOAT"))
    return path


def test_a_file_that_is_replaced_meanwhile_keeps_its_id_and_its_sound(clip):
    old = hashlib.sha256(clip.read_bytes()).hexdigest()
    other = clip.with_name("other.wav")
    other.write_bytes(with_soundfile(tone(880), format="WAV", subtype="FLOAT"))
    with opened(clip) as (file, clip_id):
        other.replace(clip)
        samples = read_audio(file).samples
    assert clip_id == old
    np.testing.assert_array_equal(samples, tone())


def test_a_file_that_is_written_to_meanwhile_is_an_error(clip):
    message = "written to while it was read"
    with pytest.raises(AudioError, match=message), opened(clip) as (file, _):
        clip.write_bytes(with_soundfile(tone(880, 2.0), format="WAV"))
        read_audio(file)


@pytest.mark.parametrize("path", ["https://a/b.wav", "hf://datasets/a/b.wav"])
def test_an_address_is_said_to_be_one(path):
    with pytest.raises(AudioError, match="addresses are not read"), opened(path):
        pass


def test_a_path_with_a_null_is_an_error_of_the_clip():
    with pytest.raises(AudioError, match="null"), opened("a\0b.wav"):
        pass


def test_no_more_is_held_than_the_budget_but_for_the_clip_that_is_waited_for():
    held, most, lock = {}, [0], threading.Lock()

    def work(item, reserve):
        for _ in range(5):
            reserve(10)
            with lock:
                held[item] = held.get(item, 0) + 10
                most[0] = max(most[0], sum(held.values()))
            time.sleep(0.001)
        return item

    done = []
    for item in prefetch(work, map(str, range(12)), workers=4, ahead=6, budget=Budget(60)):
        done.append(item)
        with lock:
            for earlier in range(int(item)):
                held.pop(str(earlier), None)
    assert done == [str(number) for number in range(12)]
    assert most[0] <= 60 + 2 * 50  # the one that is waited for, and the one just taken


def test_clips_larger_than_the_budget_are_read_one_by_one():
    def work(item, reserve):
        for _ in range(20):
            reserve(1_000)
        return item

    clips = prefetch(work, map(str, range(8)), workers=4, ahead=8, budget=Budget(10))
    assert list(clips) == [str(number) for number in range(8)]


def test_stopping_midway_lets_waiting_threads_go():
    def work(item, reserve):
        for _ in range(20):
            reserve(1_000)
        return item

    clips = prefetch(work, map(str, range(100)), workers=4, ahead=8, budget=Budget(10))
    assert next(clips) == "0"
    clips.close()
