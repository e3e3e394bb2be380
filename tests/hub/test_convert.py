"""The public pickles become one checkpoint, or nothing with the reason."""

import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from emonet_voice.hub.convert import ConversionError, convert
from emonet_voice.hub.loose_heads import LooseHeadsError, lacking, list_heads
from modeling_empathic import EmpathicInsightModel, HeadError
from modeling_empathic.taxonomy import (
    ATTRIBUTES,
    EMOTION_NAMES,
    EMOTIONS,
    UnknownNameError,
)
from tests.support.command import run_command
from tests.support.places import REPOSITORY
from tests.support.public_heads import POOLED, STATES, public_state, save_head, save_release


@pytest.fixture
def release(tmp_path) -> Path:
    return save_release(tmp_path / "release")


HEADS = ["Anger", "Jealousy & Envy", "Speech Quality"]


@torch.no_grad()
def test_converted_heads_score_as_the_public_ones_do(release, whisper, tmp_path, features):
    from transformers import WhisperForConditionalGeneration

    config = convert(release, tmp_path / "out", whisper, heads=HEADS)
    assert [head["kind"] for head in config.heads] == ["full", "full", "pooled"]
    encoder = WhisperForConditionalGeneration.from_pretrained(whisper).get_encoder()
    states = encoder(features).last_hidden_state
    expected = []
    for seed, n_in in ((1, STATES), (2, STATES), (3, POOLED)):
        state = public_state(n_in=n_in, seed=seed)
        hidden = states.flatten(1)
        if n_in == POOLED:
            hidden = torch.cat([states.mean(1), states.amin(1), states.amax(1), states.std(1)], 1)
        hidden = nn.functional.linear(hidden, state["proj.weight"], state["proj.bias"])
        for layer in (2, 5, 8, 11):
            weight, bias = state[f"mlp.{layer}.weight"], state[f"mlp.{layer}.bias"]
            hidden = nn.functional.linear(hidden.relu(), weight, bias)
        expected.append(hidden[:, 0])
    scores = EmpathicInsightModel.from_pretrained(tmp_path / "out")(features).logits
    torch.testing.assert_close(scores, torch.stack(expected, 1), atol=1e-5, rtol=1e-5)


def test_scales_and_groups_come_from_the_taxonomy(release, whisper, tmp_path):
    config = convert(release, tmp_path / "out", whisper, heads=HEADS)
    assert config.heads[0] == {
        "name": "Anger", "kind": "full", "scale": [0.0, 4.0], "group": "emotion",
        "polarity": "higher is stronger"}  # fmt: skip
    assert (config.heads[2]["scale"], config.heads[2]["group"]) == ([1.0, 5.0], "quality")


def test_converting_and_saving_again_give_the_same_bytes(release, whisper, tmp_path):
    convert(release, tmp_path / "out", whisper, heads=HEADS)
    EmpathicInsightModel.from_pretrained(tmp_path / "out").save_pretrained(tmp_path / "again")
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes(), path.name


def test_the_folder_has_the_stock_feature_extractor_and_where_heads_came_from(
    release, whisper, tmp_path
):
    convert(release, tmp_path / "out", whisper, heads=HEADS)
    stock = json.loads((tmp_path / "out" / "preprocessor_config.json").read_text())
    assert stock["feature_extractor_type"] == "WhisperFeatureExtractor"
    content = json.loads((tmp_path / "out" / "conversion.json").read_text())
    assert set(content["sha256"]) == {path.name for path in release.iterdir()}
    assert content["source"] == {"name": "release", "revision": None, "commit": None}  # and no path


def test_all_forty_emotions_are_needed_without_heads(release, whisper, tmp_path):
    with pytest.raises(
        HeadError, match=r"has only 2 of the 40 emotions: Anger, Jealousy & Envy; heads"
    ):
        convert(release, tmp_path / "out", whisper)
    assert not (tmp_path / "out").exists()


def test_attributes_are_optional_and_come_after_the_emotions(whisper, tmp_path):
    release = tmp_path / "release"
    release.mkdir()
    for head in (ATTRIBUTES[2], *reversed(EMOTIONS)):
        save_head(release, head.stem, n_in=POOLED)
    config = convert(release, tmp_path / "out", whisper)
    assert config.head_names == [*EMOTION_NAMES, ATTRIBUTES[2].name]


def test_two_files_of_one_head_are_refused(release, whisper, tmp_path):
    save_head(release, "Jealousy_Envy")
    with pytest.raises(LooseHeadsError, match="'Jealousy & Envy' is there twice"):
        convert(release, tmp_path / "out", whisper, heads=HEADS)


def test_an_unknown_stem_is_refused_unless_allowed(whisper, tmp_path):
    release = tmp_path / "release"
    release.mkdir()
    for emotion in EMOTIONS:
        save_head(release, emotion.stem, n_in=POOLED)
    save_head(release, "Hunger", n_in=POOLED)
    with pytest.raises(UnknownNameError, match=r"model_Hunger_best\.pth.*allow_unknown"):
        convert(release, tmp_path / "out", whisper)
    config = convert(release, tmp_path / "out", whisper, allow_unknown=True)
    assert config.heads[-1]["name"] == "Hunger"
    assert config.heads[-1]["polarity"] == "unknown"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(release, whisper, tmp_path, value):
    state = public_state()
    state["proj.weight"][3, 77] = value
    torch.save(state, release / "model_Anger_best.pth")
    with pytest.raises(ConversionError, match=r"model_Anger_best\.pth: proj\.weight holds NaN"):
        convert(release, tmp_path / "out", whisper, heads=HEADS)


def test_weights_too_large_for_float16_are_refused(release, whisper, tmp_path):
    state = public_state()
    state["proj.weight"][3, 77] = 1e6
    torch.save(state, release / "model_Anger_best.pth")
    with pytest.raises(ConversionError, match=r"as torch\.float16"):
        convert(release, tmp_path / "out", whisper, heads=HEADS, dtype="float16")


def test_mixed_stores_the_encoder_unrounded_beside_heads_in_bfloat16(release, whisper, tmp_path):
    for dtype in ("float32", "mixed"):
        convert(release, tmp_path / dtype, whisper, heads=HEADS, dtype=dtype)
    exact, mixed = (
        EmpathicInsightModel.from_pretrained(tmp_path / dtype) for dtype in ("float32", "mixed")
    )
    for name, tensor in exact.encoder.state_dict().items():
        assert torch.equal(mixed.encoder.state_dict()[name], tensor)
    for name, tensor in exact.heads.state_dict().items():
        assert torch.equal(mixed.heads.state_dict()[name], tensor.bfloat16())


def test_heads_of_different_sizes_are_refused(release, whisper, tmp_path):
    save_head(release, "Anger", widths=(16, 16, 8, 4))
    with pytest.raises(HeadError, match="different widths"):
        convert(release, tmp_path / "out", whisper, heads=HEADS)


def test_heads_for_another_encoder_are_refused(release, whisper, tmp_path):
    save_head(release, "Anger", n_in=999)
    with pytest.raises(HeadError, match=r"reads 999 inputs; this encoder gives 12000 \(full\)"):
        convert(release, tmp_path / "out", whisper, heads=HEADS)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(release, whisper, tmp_path):
    class Payload:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path / 'ran'}",))

    for evil in (pickle.dumps(Payload()), None):
        if evil is None:
            torch.save({"proj.weight": Payload()}, release / "model_Anger_best.pth")
        else:
            (release / "model_Anger_best.pth").write_bytes(evil)
        with pytest.raises(ConversionError, match=r"model_Anger_best\.pth is not a plain state"):
            convert(release, tmp_path / "out", whisper, heads=HEADS)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04cut off", b"<html>", b"abcdefgh", b"\x80\x02."],
    ids=["empty", "cut off", "html", "letters", "empty pickle"],
)
def test_a_file_that_is_no_state_dict_is_refused(release, whisper, tmp_path, content):
    (release / "model_Anger_best.pth").write_bytes(content)
    with pytest.raises(ConversionError, match=r"model_Anger_best\.pth"):
        convert(release, tmp_path / "out", whisper, heads=HEADS)


def test_a_whole_module_instead_of_tensors_is_refused(release, whisper, tmp_path):
    torch.save(nn.Linear(2, 2), release / "model_Anger_best.pth")
    with pytest.raises(ConversionError, match=r"model_Anger_best\.pth"):
        convert(release, tmp_path / "out", whisper, heads=HEADS)


def test_a_first_layer_that_is_no_matrix_is_refused(release, whisper, tmp_path):
    state = public_state()
    state["proj.weight"] = state["proj.weight"].flatten()
    torch.save(state, release / "model_Anger_best.pth")
    with pytest.raises(HeadError, match=r"model_Anger_best\.pth: proj\.weight has shape"):
        convert(release, tmp_path / "out", whisper, heads=HEADS)


def test_an_unknown_head_can_be_asked_for_by_its_stem(release, whisper, tmp_path):
    save_head(release, "Hunger")
    heads = ["anger", "Hunger"]
    config = convert(release, tmp_path / "out", whisper, heads=heads, allow_unknown=True)
    assert config.head_names == ["Anger", "Hunger"]
    again = EmpathicInsightModel.from_pretrained(tmp_path / "out", heads=["Hunger"])
    assert again.config.head_names == ["Hunger"]


def test_an_encoder_without_whisper_weights_is_refused(release, whisper, tmp_path):
    from safetensors.torch import load_file, save_file

    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text((whisper / "config.json").read_text())
    tensors = load_file(whisper / "model.safetensors")
    tensors.pop("model.encoder.conv2.bias")
    save_file(tensors, other / "model.safetensors")
    with pytest.raises(ConversionError, match=r"lacks conv2\.bias"):
        convert(release, tmp_path / "out", other, heads=HEADS)


def test_an_output_that_exists_is_left_alone(release, whisper, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(ConversionError, match="exists already"):
        convert(release, tmp_path / "out", whisper, heads=HEADS)
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


def test_a_conversion_killed_half_way_leaves_no_folder_under_its_name(release, whisper, tmp_path):
    program = (
        "import sys, threading\n"
        "from emonet_voice.hub.convert import convert\n"
        "def slow(name, done, total):\n"
        "    print('converted', name, flush=True); threading.Event().wait()\n"
        "convert(sys.argv[1], sys.argv[2], sys.argv[3], heads=['Anger', 'Jealousy & Envy'],"
        " progress=slow)\n"
    )
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", program, release, out, whisper],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "converted Anger\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    convert(release, out, whisper, heads=HEADS)  # and what was left does not get in the way
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "release"]


def test_the_command_prints_what_it_found_and_one_line_for_a_mistake(
    release, whisper, tmp_path, capsys
):
    from emonet_voice.cli.app import run

    out = tmp_path / "out"
    arguments = ["convert", str(release), str(out), "--encoder", str(whisper)]
    assert run([*arguments, "--heads", "anger,jealousy_envy"]) == 0
    printed = capsys.readouterr().out
    assert "2 full and 0 pooled" in printed
    assert "emotion (2): Anger, Jealousy & Envy" in printed
    arguments[2] = str(tmp_path / "other")
    assert run([*arguments, "--heads", "angr"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error:")
    assert "Anger" in message
    assert message.count("\n") == 1


def test_the_command_names_the_option_for_a_few_heads(release, whisper, tmp_path):
    code, _, err = run_command("convert", release, tmp_path / "out", "--encoder", whisper)
    assert (code, err.count("\n")) == (2, 1) and len(err) < 200
    assert "has only 2 of the 40 emotions: Anger, Jealousy & Envy; --heads NAMES" in err
    save_head(release, "Hunger")
    for emotion in EMOTIONS:
        save_head(release, emotion.stem, n_in=POOLED)
    code, _, err = run_command("convert", release, tmp_path / "out", "--encoder", whisper)
    assert code == 2 and "Hunger: --allow-unknown keeps them" in err


def test_what_is_missing_is_listed_where_that_is_shorter(release):
    for emotion in EMOTIONS[:38]:
        save_head(release, emotion.stem, n_in=POOLED)
    loose = list_heads(release)
    said = lacking(loose)
    assert "lacks 1 of the 40 emotions: Intoxication" in said and len(said) < 200
    save_head(release, EMOTIONS[38].stem, n_in=POOLED)
    assert lacking(list_heads(release)) == ""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_stays_under_two_heads_above_the_encoder(whisper, tmp_path):
    """With ten heads of 38 MB each, read one by one."""
    release = tmp_path / "release"
    release.mkdir()
    names = EMOTION_NAMES[:10]
    for emotion in EMOTIONS[:10]:
        save_head(release, emotion.stem, widths=(800, 8, 6, 4))
    head_bytes = 4 * 800 * STATES
    program = (
        "import sys, resource\n"
        "from emonet_voice.hub.convert import convert\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "convert(sys.argv[1], sys.argv[2] + '-one', sys.argv[3], heads=['Amusement'])\n"
        "before = peak()\n"
        "convert(sys.argv[1], sys.argv[2], sys.argv[3], heads=sys.argv[4:])\n"
        "print(before, peak())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, release, tmp_path / "out", whisper, *names],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    one, ten = (int(word) for word in done.stdout.split())
    assert ten - one < head_bytes  # one head takes what ten take, give or take less than a head


def packed(folder: Path) -> None:
    save_head(folder, "Anger")
    file = folder / "model_Anger_best.pth"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def repeated(folder: Path) -> None:
    state = public_state()
    state["proj.weight"] = torch.zeros(1, 1).expand(10**5, 10**7)  # 4 TB in 4 kB
    torch.save(state, folder / "model_Anger_best.pth")


def shared(folder: Path) -> None:
    state = public_state()
    state["mlp.2.weight"] = state["mlp.5.weight"] = state["mlp.8.weight"] = state["proj.weight"]
    torch.save(state, folder / "model_Anger_best.pth")


def sparse(folder: Path) -> None:
    state = public_state()
    state["proj.weight"] = state["proj.weight"].to_sparse()
    torch.save(state, folder / "model_Anger_best.pth")


def whole_numbers(folder: Path) -> None:
    torch.save(
        {key: tensor.int() for key, tensor in public_state().items()},
        folder / "model_Anger_best.pth",
    )


def of_old(folder: Path) -> None:
    file = folder / "model_Anger_best.pth"
    torch.save(public_state(), file, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("bomb", "message"),
    [
        (packed, "is packed, as torch never does"),
        (repeated, r"stands for 4,000,0\d\d,\d\d\d,\d\d\d bytes, more than it holds"),
        (shared, "bytes, more than it holds"),
        (sparse, "that are not plain floating point"),
        (whole_numbers, "that are not plain floating point"),
        (of_old, "no archive of torch"),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_a_pickle_that_grows_when_it_is_opened_is_refused(tmp_path, whisper, bomb, message):
    (tmp_path / "heads").mkdir()
    bomb(tmp_path / "heads")
    with pytest.raises(ConversionError, match=message):
        convert(tmp_path / "heads", tmp_path / "out", whisper, heads=["Anger"])
    assert [path.name for path in tmp_path.iterdir()] == ["heads"]
