"""Parts of recordings: times and channels as tables write them, cut by sample."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from modeling_empathic.training.lines import read_lines
from modeling_empathic.training.parts import BEHIND, NO_CHANNEL, Part, seconds, unpack

RATE = 22_050


@pytest.fixture
def talk(tmp_path):
    """Three seconds on two channels."""
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, (3 * RATE, 2))
    soundfile.write(tmp_path / "talk.wav", samples, RATE, subtype="PCM_16")
    return tmp_path / "talk.wav"


def cut(tmp_path, *parts):
    folder = tmp_path / "cut"
    folder.mkdir()
    return unpack(parts, folder)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_part_is_the_recordings_own_samples(talk, tmp_path, suffix):
    samples, _ = soundfile.read(talk, dtype="float32")
    recording = tmp_path / f"again{suffix}"
    soundfile.write(recording, samples, RATE, subtype="PCM_16")
    samples, _ = soundfile.read(recording, dtype="float32")
    files, faults = cut(
        tmp_path,
        Part(recording, 1.0001, 2.30004),
        Part(recording, 0.5, 1.5, 1),  # overlaps the first, and stands behind it
        Part(recording, 2.5),
        Part(recording, channel=0),
        Part(recording),
    )
    assert not faults and files[-1] == recording
    expected = [
        samples[round(1.0001 * RATE) : round(2.30004 * RATE)],
        samples[round(0.5 * RATE) : round(1.5 * RATE), 1],
        samples[round(2.5 * RATE) :],
        samples[:, 0],
    ]
    for file, part in zip(files, expected, strict=False):
        found, rate = soundfile.read(file, dtype="float32")
        assert rate == RATE and np.array_equal(found, part)


def test_equal_parts_are_equal_files(talk, tmp_path):
    """Their SHA-256 is the clip's name, in caches and in what is built."""
    files, _ = cut(tmp_path, Part(talk, 1, 2), Part(talk, 1, 2.0))
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(files[0].read_bytes()) == 44 + 8 * RATE


def test_a_recording_is_decoded_once_in_blocks(talk, tmp_path, monkeypatch):
    from modeling_empathic.training import parts

    opened = []
    decode = parts.decode

    def counted(*args):
        opened.append(args[1])
        for block, rate in decode(*args):
            for start in range(0, len(block), 1000):
                yield block[start : start + 1000], rate

    monkeypatch.setattr(parts, "decode", counted)
    monkeypatch.setattr(parts, "_BLOCK_SAMPLES", 3000)
    samples, _ = soundfile.read(talk, dtype="float32")
    files, _ = cut(tmp_path, *(Part(talk, n / 10, n / 10 + 0.25) for n in range(20)))
    assert opened == ["talk.wav"]
    for n, file in enumerate(files):
        start, stop = round(n / 10 * RATE), round((n / 10 + 0.25) * RATE)
        assert np.array_equal(soundfile.read(file, dtype="float32")[0], samples[start:stop])


def test_a_little_behind_the_end_is_cut_and_much_is_a_failure(talk, tmp_path):
    files, faults = cut(
        tmp_path, Part(talk, 2, 3.4), Part(talk, 2, 3.6), Part(talk, 3.1, 3.2), Part(talk, 0, 1, 2)
    )
    assert soundfile.info(files[0]).frames == RATE
    assert faults == {1: BEHIND, 2: BEHIND, 3: NO_CHANNEL}
    assert [file.stat().st_size for file in files[1:]] == [0, 0, 0]


def test_files_that_were_cut_by_their_times_before_are_the_clips(talk, tmp_path):
    """As MELD's and IEMOCAP's are, whose tables have the times of the whole scene."""
    other = tmp_path / "other.wav"
    other.write_bytes(talk.read_bytes())
    files, faults = cut(tmp_path, Part(talk, 976.059, 979.0), Part(other, 2, 5))
    assert not faults
    assert [soundfile.info(file).frames for file in files] == [3 * RATE] * 2


def test_where_no_file_was_a_part_that_is_as_long_as_its_recording_is_behind_it(talk, tmp_path):
    assert cut(tmp_path, Part(talk, 2, 5))[1] == {0: BEHIND}


def test_a_recording_that_cannot_be_read_fails_with_all_its_parts_and_no_other(talk, tmp_path):
    whole = talk.read_bytes()
    (tmp_path / "short.wav").write_bytes(whole[: len(whole) // 2])
    short, gone = tmp_path / "short.wav", tmp_path / "gone.wav"
    _, faults = cut(tmp_path, Part(short, 0, 1), Part(gone, 0, 1), Part(talk, 0, 1))
    assert sorted(faults) == [0, 1]
    assert all(why.startswith("its recording cannot be read: ") for why in faults.values())


@pytest.mark.parametrize(
    ("text", "value"),
    [("62.5", 62.5), ("62,5", 62.5), ("1:02.5", 62.5), ("0:01:02.5", 62.5), (" 7 s", 7.0),
     ("00:16:16,059", 976.059), ("0 days 00:01:02.5", 62.5), ("6.25e1", 62.5), (".5", 0.5),
     ("00:01:02.500000", 62.5)],
)  # fmt: skip
def test_times_are_read_as_people_write_them(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize(
    "text", ["-1", "inf", "1_0", "1:2:3:4", "early", "1.2.3", "1:", "2021-03-04", "90000"]
)
def test_what_is_no_time_is_none(text):
    with pytest.raises(ValueError, match=r"no time|longer"):
        seconds(text)


def parts_of(tmp_path, talk, text, name="labels.csv"):
    (tmp_path / name).write_text(text)
    _, lines = read_lines([tmp_path / name], tmp_path)
    return [of.part[1:] if of.part else of.fault for of in lines]


INF = float("inf")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file,start,end\ntalk,1,2\ntalk,2,1\ntalk,x,1\ntalk,,2\ntalk,1,\ntalk,1,nan\n",
         [(1, 2, None), "ends before it starts", "start is no time", (0, 2, None),
          (1, INF, None), (1, INF, None)]),
        ("Datei;Beginn;Ende;Kanal\ntalk;0:01;0:02,5;links\ntalk;1;2;R\n", [(1, 2.5, 0), (1, 2, 1)]),
        ("file,start_ms,end_ms\ntalk,1000,2500\n", [(1, 2.5, None)]),
        ("audio_filepath,offset,duration\ntalk,1,1.5\n", [(1, 2.5, None)]),  # NeMo
        ("file,onset,offset\ntalk,1,2.5\n", [(1, 2.5, None)]),
        ("file,start,end,duration\ntalk,1,2,7\n", [(1, 2, None)]),
        ("file,duration\ntalk,1.5\n", [(0, INF, None)]),  # says how long it is
        ("file,channel\ntalk,0\ntalk,1\ntalk,B\ntalk,left\ntalk,both\ntalk,\ntalk,front\n",
         [(0, INF, 0), (0, INF, 1), (0, INF, 1), (0, INF, 0), (0, INF, None), (0, INF, None),
          "'front' is no channel"]),
        ("file,channel\ntalk,1\ntalk,2\ntalk,ch 2\n", [(0, INF, 0), (0, INF, 1), (0, INF, 1)]),
        ("file,channel\ntalk,0.0\ntalk,1.0\n", [(0, INF, 0), (0, INF, 1)]),  # of pandas
    ],
)  # fmt: skip
def test_columns_say_which_part_a_line_is(tmp_path, talk, text, expected):
    assert parts_of(tmp_path, talk, text) == expected


def test_meld_says_a_file_in_two_columns(tmp_path):
    (tmp_path / "splits").mkdir()
    Path(tmp_path, "splits", "dia3_utt0.mp4").touch()
    (tmp_path / "train_sent_emo.csv").write_text(
        "Sr No.,Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,StartTime,EndTime\n"
        '1,Hi.,Joey,joy,3,0,"00:16:16,059","00:16:21,731"\n2,Oh.,Ross,anger,3,1,0,1\n'
    )
    _, (first, second) = read_lines([tmp_path / "train_sent_emo.csv"], tmp_path)
    assert first.part == (tmp_path / "splits" / "dia3_utt0.mp4", 976.059, 981.731, None)
    assert (second.name, second.fault) == ("dia3_utt1", "no such file")
