"""The numbers and pictures of the demo Space, without its page."""

import doctest
import math
import threading

import numpy as np
import pytest
import soundfile
import torch

from modeling_empathic import NANO, load_audio
from modeling_empathic.norms import norm
from modeling_empathic.taxonomy import EMODB_CLASSES, EMOTION_NAMES
from tests.support.demo_modules import (  # noqa: F401
    HOSTILE,
    MODULES,
    SPACE,
    results_fixture,
    space_fixture,
    tiny_fixture,
    voice_fixture,
)
from tests.support.places import REPOSITORY
from tests.support.servers import patience_s


def test_the_examples_in_the_docstrings_are_right(space):
    for name in ("families", "analysis", "panels", "lanes", "exports"):
        examples = doctest.testmod(getattr(space, name), extraglobs={"np": np})
        assert examples.attempted and not examples.failed, name


def test_every_emotion_is_in_one_family_and_no_family_is_empty(space):
    families = [space.families.FAMILY[name] for name in EMOTION_NAMES]
    assert [families.count(family) for family in space.families.ORDER] == [12, 6, 7, 2, 9, 4]
    assert sorted(space.families.BY_FAMILY) == sorted(EMOTION_NAMES)


def test_links_in_the_folder_are_files_of_this_repository(space):
    """The Hub's client follows links to files and skips links to folders."""
    links = [path for path in SPACE.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        assert not link.readlink().is_absolute(), link
        assert link.is_file() and link.resolve().is_relative_to(REPOSITORY), link


def test_scores_are_those_of_the_pipeline(space, voice, results):
    from transformers import pipeline

    expected = pipeline("voice-emotion", model=NANO, dtype=torch.float32)(voice)
    expected = {row["label"]: row["score"] for row in expected}
    scores = {row["emotion"]: row["score"] for row in results.score["emotions"]}
    assert scores == pytest.approx(expected, abs=1e-5)
    intensities = [row["intensity_0_10"] for row in results.score["emotions"]]
    assert intensities == sorted(intensities, reverse=True)


def test_a_long_recording_is_the_mean_of_its_windows_by_their_length(space, tiny):
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000 * 40).astype(np.float32)
    parts = [space.analysis.score(part, tiny) for part in (noise[:480_000], noise[480_000:])]
    rows = [{row["emotion"]: row["score"] for row in part["emotions"]} for part in parts]
    for row in space.analysis.score(noise, tiny)["emotions"]:
        expected = (30 * rows[0][row["emotion"]] + 10 * rows[1][row["emotion"]]) / 40
        assert row["score"] == pytest.approx(expected, abs=1e-4)


def _added(space, model, samples, emotion):
    return space.analysis.finished(space.voice_model.contributions(model, (), samples, emotion))


def _slope(heads, row: int, projection: torch.Tensor) -> torch.Tensor:
    """How a head's score moves with its first layer's outputs, by the layers written out."""
    hidden = projection.requires_grad_()
    for layer in heads.mlp:
        hidden = torch.relu(hidden) @ layer.weight[row].T + layer.bias[row]
    return torch.autograd.grad(hidden.sum(), projection)[0]


def test_a_full_heads_moments_are_its_first_layer_step_by_step(space, tiny, voice):
    """Against the product written out: a step's weights times its state, times the slope."""
    parts, _ = _added(space, tiny, voice, "Anger")
    loaded = space.voice_model.load(tiny)
    model, heads = loaded.model, loaded.model.heads["full"]
    with torch.no_grad():
        states = model.encoder(space.voice_model._features(loaded, [voice])).last_hidden_state[0]
        weight = heads.proj.weight[:8].view(8, 1500, -1)  # Anger is the first full head
        steps = torch.einsum("pts,ts->tp", weight, states)
        projection = steps.sum(0) + heads.proj.bias[:8]
    expected = steps @ _slope(heads, 0, projection)
    assert parts == pytest.approx(expected[:125].numpy(), abs=1e-5)


def test_a_pooled_heads_moments_add_up_to_all_but_the_biases(space, tiny):
    """30 s, so that nothing is padding: then they are the slope times what passes the weights."""
    noise = np.random.default_rng(0).normal(0, 0.1, 480_000).astype(np.float32)
    parts, rest = _added(space, tiny, noise, "Awe")
    loaded = space.voice_model.load(tiny)
    model, heads = loaded.model, loaded.model.heads["pooled"]
    with torch.no_grad():
        output = model(space.voice_model._features(loaded, [noise]), output_projections=True)
        row, column = 0, loaded.emotions.index("Awe")  # the only pooled head among the emotions
        projection = output.projections[0, column].clone()
        passed = projection - heads.proj.bias[8 * row : 8 * row + 8]
    assert len(parts) == 1500
    assert parts.sum() == pytest.approx(float(_slope(heads, row, projection) @ passed), abs=1e-4)
    assert parts.sum() + rest == pytest.approx(float(output.logits[0, column]), abs=1e-4)


@pytest.mark.parametrize("seconds", [2.5, 30, 40, 95])
@pytest.mark.parametrize("emotion", ["Anger", "Awe"])
def test_moments_and_rest_add_up_to_the_score_however_long_the_recording(
    space, tiny, seconds, emotion
):
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0.01, 0.3, 20), int(seconds * 800))
    noise = (rng.normal(size=len(loud)) * loud).astype(np.float32)
    found = space.analysis.moments(noise, tiny, emotion)
    rows = space.analysis.score(noise, tiny)["emotions"]
    score = next(row["score"] for row in rows if row["emotion"] == emotion)
    added = sum(found["points_per_s"]) * found["step_s"]
    assert added + found["rest"] == pytest.approx(2.5 * score, abs=1e-3)
    page = space.lanes.moments(found, space.analysis.envelope(noise), seconds)
    assert f"is {added:+.1f} points" in page and f"{found['rest']:+.1f} come from no" in page
    assert ("points/min" in page) == (seconds > 30)


def test_only_the_heads_that_are_asked_for_are_read(space, tiny, voice):
    rows = space.analysis.score(voice, tiny, ["Awe"])["emotions"]
    assert [row["emotion"] for row in rows] == ["Awe"]
    assert space.voice_model.load(tiny, ("Awe",)).model.config.head_names == ["Awe"]
    assert "Speech Quality" not in space.voice_model.load(tiny).emotions


def test_unusual_is_told_only_by_a_model_with_a_reference(space, tiny, voice, results):
    assert all(row["percentile"] is not None for row in results.score["emotions"])
    assert "Stands out most" in space.panels.bars(results.score)
    without = space.analysis.score(voice, tiny)
    assert [row["z"] for row in without["emotions"]] == [None] * 3
    shown = space.panels.bars(without)
    assert "Stands out most" not in shown and "no scores of reference clips" in shown


def test_heads_of_the_public_kind_without_a_reference_are_held_against_public_statistics(
    space, tiny, voice, monkeypatch
):
    public = norm("clips")
    loaded = space.voice_model.load(tiny)._replace(norm=public)
    monkeypatch.setattr(space.analysis, "load", lambda name, heads: loaded)
    found = space.analysis.score(voice, tiny, ["Awe"])
    (row,) = found["emotions"]
    assert row["z"] == pytest.approx(
        (row["score"] - public.centre["Awe"]) / public.spread["Awe"], abs=1e-6
    )
    assert row["percentile"] is None
    assert row["usual_0_10"] == pytest.approx(2.5 * public.centre["Awe"])
    shown = space.panels.bars(found)
    assert "722 multilingual clips" in shown and f"{row['z']:+.1f} SD" in shown


def test_a_class_has_the_softmax_share_of_its_strongest_emotion(space):
    scores = dict(zip(EMOTION_NAMES, np.random.default_rng(3).normal(1, 1, 40), strict=True))
    rows = space.analysis.readings(scores)["EmoDB"]
    total = sum(math.exp(scores[name]) for names in EMODB_CLASSES.values() for name in names)
    for row in rows:
        share = max(math.exp(scores[name]) / total for name in EMODB_CLASSES[row["class"]])
        assert row["probability"] == pytest.approx(share)
        assert row["hit"] == (share > 1.5 / 37)
    assert "EmoDB" not in space.analysis.readings({"Anger": 1.0})


@pytest.mark.parametrize(
    ("duration_s", "window_s", "hop_s", "expected"),
    [(10, 3, 1, (3, 1, 8)), (2, 3, 1, (1, 0.25, 5)), (0.5, 3, 1, (1, 0.25, 1)),
     (600, 3, 0.5, (3, 2.5, 240)), (1800, 2, 1, (7.6, 7.6, 237))],
)  # fmt: skip
def test_a_timeline_has_at_least_a_few_windows_and_at_most_240(
    space, monkeypatch, duration_s, window_s, hop_s, expected
):
    def nothing(name, heads, samples, cuts):
        yield 1.0
        return np.zeros((len(cuts), 40))

    monkeypatch.setattr(space.analysis, "score_windows", nothing)
    samples = np.ones(int(16_000 * duration_s), np.float32)
    course = space.analysis.timeline(samples, "nano", window_s, hop_s)
    assert (course["window_s"], course["hop_s"], len(course["start_s"])) == pytest.approx(expected)
    assert course["end_s"][-1] > duration_s - 1


@pytest.mark.parametrize(
    ("window_s", "hop_s"), [(0.5, 0.5), (31, 1), (3, -1), (3, 4), (math.nan, 1), (-1, 0)]
)
def test_impossible_windows_are_refused(space, voice, window_s, hop_s):
    with pytest.raises(space.voice_model.VoiceError, match="the window must be 1 to 30 s"):
        space.analysis.timeline(voice, "nano", window_s, hop_s)


def test_unknown_models_and_heads_are_refused_with_what_there_is(space, voice):
    with pytest.raises(space.voice_model.VoiceError, match="no model 'Huge' here; choose nano"):
        space.analysis.score(voice, "Huge")
    with pytest.raises(space.voice_model.VoiceError, match="no head 'Joy'"):
        space.analysis.moments(voice, "nano", "Joy")


def test_two_hours_of_silence_are_refused_by_their_header(space, tmp_path):
    bomb = tmp_path / "bomb.flac"
    with soundfile.SoundFile(bomb, "w", 8_000, 1, "PCM_16") as file:
        for _ in range(120):
            file.write(np.zeros(480_000, np.int16))
    assert bomb.stat().st_size < 200_000
    with pytest.raises(ValueError, match="recording: longer than 1800 s"):
        space.analysis.read(str(bomb))


def test_a_recording_is_heard_in_its_own_process_as_here(space):
    clip = SPACE / "examples" / "en_doubt.flac"
    np.testing.assert_array_equal(space.analysis.read(str(clip)), load_audio(clip))


def test_a_decoder_that_hangs_or_eats_the_memory_is_a_message(space, tmp_path, monkeypatch):
    import decoding

    bomb = tmp_path / "clip.wav"
    soundfile.write(bomb, np.tile(np.float32(0.1), 16_000 * 60), 16_000)
    with monkeypatch.context() as context:
        context.setattr(decoding, "TIME_S", 0.01)
        with pytest.raises(ValueError, match="not decoded within"):
            space.analysis.read(str(bomb))
    broken = tmp_path / "decoding.py"
    broken.write_text("import os; os.abort()")
    monkeypatch.setattr(decoding, "__file__", str(broken))
    with pytest.raises(ValueError, match="the decoder broke on it"):
        space.analysis.read(str(bomb))


def test_the_process_that_decodes_sees_no_secret(space, tmp_path, monkeypatch):
    import decoding

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    told = tmp_path / "decoding.py"
    told.write_text("import json, os; print(json.dumps({'error': repr(dict(os.environ))}))")
    monkeypatch.setattr(decoding, "__file__", str(told))
    with pytest.raises(ValueError, match="PATH") as caught:
        space.analysis.read("any.wav")
    assert "secret" not in str(caught.value)


def test_what_is_doubtful_stands_above_the_bars(space, tiny, voice):
    chord = sum(np.sin(2 * np.pi * f * np.arange(48_000) / 16_000) for f in (220, 277.2, 329.6))
    result = space.analysis.score((0.1 * chord).astype(np.float32), tiny)
    assert result["quality"] == "not like speech"
    assert "Doubtful: not like speech." in space.panels.overview(result, "", False)
    said = space.analysis.score(voice, tiny, notes=["first of 2 tracks"])["quality"]
    assert said.startswith("first of 2 tracks")
    clean = space.panels.overview(result | {"quality": ""}, "", False)
    assert "Doubtful" not in clean and "No doubts about it" in clean


def test_an_abandoned_piece_of_work_computes_nothing_more(space, monkeypatch):
    batches = []

    def scores(name, heads, sounds):
        batches.append(len(sounds))
        return np.zeros((len(sounds), 40))

    monkeypatch.setattr(space.voice_model, "score_sounds", scores)
    minutes = np.random.default_rng(0).normal(0, 0.1, 16_000 * 120).astype(np.float32)
    work = space.analysis.timeline_steps(minutes, "nano")
    shares = [next(work), next(work)]
    work.close()
    assert len(batches) == 2 and 0 < shares[0] < shares[1] < 0.2
    assert max(batches) <= space.voice_model.BATCH


def test_what_is_quick_goes_first_and_nobody_waits_for_ever(space, monkeypatch):
    space.turns.give_way()  # nobody is quick: no wait
    monkeypatch.setattr(space.turns, "PATIENCE_S", 0.01)
    with space.turns.quick():
        space.turns.give_way()
    order = []
    monkeypatch.setattr(space.turns, "PATIENCE_S", patience_s())
    with space.turns.quick():
        polite = threading.Thread(target=lambda: (space.turns.give_way(), order.append("slow")))
        polite.start()
        order.append("quick")
    polite.join()
    assert order == ["quick", "slow"]
