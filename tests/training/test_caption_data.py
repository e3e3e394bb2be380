"""Clips and scores in their several forms become audio and the tokens of a caption."""

import json

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from modeling_empathic.taxonomy import EMOTION_NAMES
from modeling_empathic.training.caption_data import (
    IGNORED,
    Collator,
    DataError,
    hold_out,
    load_clips,
    read_scores,
    readable,
    streaming,
    with_captions,
)
from modeling_empathic.training.captions import make_caption
from tests.support.tiny_whisper import made_clips, wav


def letters(caption):
    return [ord(letter) for letter in caption]


def caption_of(row):
    return "".join(map(chr, row["labels"]))


def written(clips, folder, **splits):
    DatasetDict({"train": clips, **splits}).save_to_disk(folder)
    return folder


def test_scores_are_read_from_one_column_or_from_forty_in_any_spelling():
    values = [float(i % 5) for i in range(40)]
    row = dict(zip(EMOTION_NAMES, values, strict=True))
    spelled = {f"model_{name.replace('/', '_')}_best.pth": v for name, v in row.items()}
    assert read_scores(["emotion_scores"])({"emotion_scores": values}) == values
    assert read_scores(["emotion_scores"])({"emotion_scores": spelled}) == values
    assert read_scores(["x", *spelled])(spelled) == values


def test_an_emotion_without_a_column_or_with_two_is_named():
    with pytest.raises(DataError, match=r"2 of the 40 emotions.*Awe, Pain"):
        read_scores([name for name in EMOTION_NAMES if name not in ("Awe", "Pain")])
    with pytest.raises(DataError, match="Awe has two columns: 'Awe' and 'awe'"):
        read_scores([*EMOTION_NAMES, "awe"])


@pytest.mark.parametrize(("value", "message"), [(5.0, "=5 is outside"), (float("nan"), "=nan")])
def test_a_score_out_of_range_is_named_with_its_clip(value, message):
    rows = made_clips(3).to_list()
    rows[2]["emotion_scores"][4] = value
    with pytest.raises(DataError, match=f"clip 2: Thankfulness/Gratitude{message}"):
        with_captions(Dataset.from_list(rows), letters)


def test_a_score_that_is_missing_from_a_mapping_is_named():
    rows = made_clips(1).to_list()
    rows[0]["emotion_scores"] = dict(zip(EMOTION_NAMES[:39], 39 * [1.0], strict=True))
    with pytest.raises(DataError, match="clip 0: Jealousy & Envy=nan"):
        with_captions(Dataset.from_list(rows), letters)


def test_captions_are_made_of_the_scores_by_seed_and_place():
    clips = made_clips(6)
    first, again = (with_captions(clips, letters, seed=3) for _ in range(2))
    expected = [make_caption(row["emotion_scores"], [3, i]) for i, row in enumerate(clips)]
    assert [caption_of(row) for row in first.clips] == expected
    assert first.clips["labels"] == again.clips["labels"]
    assert first.facts == again.facts
    assert first.clips["length"] == [len(caption) for caption in expected]


def test_paraphrases_are_used_where_there_are_any():
    clips = made_clips(3).add_column("caption", ["So much awe!", None, ""])
    learned = with_captions(clips, letters)
    assert caption_of(learned.clips[0]) == "So much awe!"
    assert caption_of(learned.clips[1]) == make_caption(clips[1]["emotion_scores"], [0, 1])
    assert learned.facts["own_captions"] == 1


def test_a_stream_is_the_same_as_what_is_stored(tmp_path):
    folder = written(made_clips(5), tmp_path / "clips")
    stored = with_captions(load_clips(folder, "train"), letters)
    stream = with_captions(load_clips(folder, "train", streaming=True), letters)
    assert streaming(stream.clips) and not streaming(stored.clips)
    assert list(stream.clips) == list(stored.clips)
    first = with_captions(load_clips(folder, "train", streaming=True), letters, most=2)
    assert list(first.clips) == list(stored.clips)[:2]
    assert np.array_equal(first.scores, stored.scores[:2])


def test_the_fingerprint_tells_scores_captions_and_sizes_apart():
    rows = made_clips(2).to_list()
    prints = [with_captions(Dataset.from_list(rows), letters).facts["sha256"]]
    rows[0]["emotion_scores"][0] = 0.25  # the same level, the same caption
    prints.append(with_captions(Dataset.from_list(rows), letters).facts["sha256"])
    rows[1]["audio"]["bytes"] += b"\0"
    prints.append(with_captions(Dataset.from_list(rows), letters).facts["sha256"])
    prints.append(with_captions(Dataset.from_list(rows), letters, seed=1).facts["sha256"])
    assert len(set(prints)) == 4


def test_a_folder_with_a_csv_is_read(tmp_path):
    lines = ["file_name," + ",".join(name.casefold() for name in EMOTION_NAMES)]
    for index in range(3):
        (tmp_path / f"{index}.wav").write_bytes(wav(np.sin(np.arange(8_000))))
        lines.append(f"{index}.wav," + ",".join(str(i % 5) for i in range(40)))
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    learned = with_captions(load_clips(tmp_path, "train"), letters)
    assert learned.scores.tolist() == 3 * [[float(i % 5) for i in range(40)]]


def test_what_cannot_be_read_is_named(tmp_path):
    folder = written(made_clips(2), tmp_path / "clips", empty=made_clips(0))
    with pytest.raises(DataError, match="no such folder"):
        load_clips(tmp_path / "nowhere", "train")
    with pytest.raises(DataError, match=r"split 'dev': .* has train, empty"):
        load_clips(folder, "dev")
    with pytest.raises(DataError, match="split 'empty' is empty"):
        load_clips(folder, "empty")
    with pytest.raises(DataError, match="split 'empty' is empty"):
        load_clips(folder, "empty", streaming=True)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "t.csv").write_text("text\nhello\n")
    with pytest.raises(DataError, match="column 'audio' is missing; there are text"):
        load_clips(tmp_path / "texts", "train")


def test_clips_held_out_are_not_learned_from(tmp_path):
    folder = written(made_clips(5), tmp_path / "clips")
    whole = list(load_clips(folder, "train"))
    for stream in (False, True):
        held, others = hold_out(load_clips(folder, "train", streaming=stream), 2)
        assert list(held) == whole[:2]
        assert list(others) == whole[2:]
    with pytest.raises(DataError, match="holding out 5 leaves none"):
        hold_out(load_clips(folder, "train"), 5)


def test_clips_that_cannot_be_read_are_left_out_of_an_evaluation(tmp_path):
    rows = made_clips(3).to_list()
    rows[1]["audio"]["bytes"] = b"no audio"
    whole = with_captions(Dataset.from_list(rows), letters)
    kept = readable(whole, tmp_path / "unreadable.jsonl")
    assert list(kept.clips) == [whole.clips[0], whole.clips[2]]
    assert np.array_equal(kept.scores, whole.scores[[0, 2]])
    assert len((tmp_path / "unreadable.jsonl").read_text().splitlines()) == 1
    alone = with_captions(Dataset.from_list(rows[1:2]), letters)
    with pytest.raises(DataError, match="none of the clips to evaluate on"):
        readable(alone, tmp_path / "unreadable.jsonl")


def test_a_clip_that_cannot_be_read_keeps_its_place_and_teaches_nothing(tmp_path):
    from transformers import WhisperFeatureExtractor

    rows = with_captions(made_clips(3), letters).clips.to_list()
    rows[1]["audio"]["bytes"] = b"no audio"
    collator = Collator(WhisperFeatureExtractor(chunk_length=1), tmp_path / "unreadable.jsonl")
    batch = collator(rows)
    assert batch["input_features"].shape == (3, 80, 100)
    assert (batch["labels"][1] == IGNORED).all()
    for index in (0, 2):
        kept = batch["labels"][index]
        assert kept[kept != IGNORED].tolist() == rows[index]["labels"]
    (line,) = (tmp_path / "unreadable.jsonl").read_text().splitlines()
    assert "audio" in json.loads(line)["error"]
