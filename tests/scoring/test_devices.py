"""`--device auto` takes what is fastest on the processor that there is, and says so."""

from types import SimpleNamespace

import pytest
import torch

from modeling_empathic.scoring import devices
from modeling_empathic.scoring.devices import auto_dtype, choose, enough_memory, processor
from modeling_empathic.scoring.measuring import Way, small_config, verdict
from tests.support.command import run_command
from tests.support.scoring_fakes import write_clip

AMX = ["AMX", "AVX-512 BF16", "AVX-512 VNNI", "AVX2"]
BF16 = ["AVX-512 BF16", "AVX-512 VNNI", "AVX2"]


@pytest.fixture
def machine(monkeypatch):
    """Makes this a machine with a processor of these units, and OpenVINO or none."""

    def make(units, openvino=True):
        monkeypatch.setattr(devices, "processor", lambda: units)
        monkeypatch.setattr(devices, "has_openvino", lambda: openvino)
        monkeypatch.setattr(devices, "choose_device", lambda device: "cpu")

    return make


@pytest.mark.parametrize(
    ("units", "openvino", "dtype", "expected"),
    [
        (BF16, True, "float32", True),
        (BF16, True, "bfloat16", True),
        (["AVX2"], True, "mixed", True),
        (BF16, False, "bfloat16", False),
        (AMX, True, "bfloat16", False),  # torch has the matrix units
        (AMX, True, "float32", True),  # which float32 does not use
        (BF16, True, "float16", False),
        (["ARM I8MM", "ARM NEON"], True, "bfloat16", False),  # where nothing was measured
        ([], True, "float32", False),
    ],
)
def test_auto_chooses_by_what_the_processor_has(units, openvino, dtype, expected, machine):
    machine(units, openvino)
    choice = choose("auto", dtype, small_config())
    assert choice.openvino is expected
    assert (units[0] if units else "no vector units") in choice.why
    assert choice.read_as == ("mixed" if expected and dtype == "bfloat16" else dtype)


@pytest.mark.parametrize("device", ["cpu", "openvino"])
def test_who_asks_for_a_device_gets_it(device, machine):
    machine(BF16)
    choice = choose(device, "float32", small_config())
    assert (choice.openvino, choice.why) == (device == "openvino", "")


@pytest.mark.parametrize("small", [{"encoder_layers": 2}, {"cut": True}])
def test_what_is_not_worth_compiling_stays_with_torch(small, machine):
    machine(BF16)
    config = small_config()
    config.cut_to_speech = small.get("cut", False)
    config.encoder.encoder_layers = small.get("encoder_layers", 12)
    assert not choose("auto", "float32", config).openvino


@pytest.mark.parametrize(
    ("device", "stored", "expected"),
    [
        ("cuda", "float32", "float16"),
        ("cuda", "bfloat16", "bfloat16"),  # whose range float16 may not hold
        ("cpu", "float16", "float32"),  # CPUs have no fast float16
        ("cpu", "bfloat16", "bfloat16"),  # widened it would take twice the memory
        ("cpu", "mixed", "mixed"),
        ("cuda", "mixed", "bfloat16"),  # a float32 encoder would waste the card
    ],
)
def test_auto_takes_the_type_that_suits_device_and_weights(device, stored, expected):
    mixed = stored == "mixed"
    config = SimpleNamespace(dtype="bfloat16" if mixed else stored, is_mixed=mixed)
    assert auto_dtype(device, config) == expected


def test_the_processor_is_read_from_what_the_system_says(tmp_path, monkeypatch):
    def says(text):
        monkeypatch.setattr(devices.Path, "read_text", lambda *_: text)
        return processor()

    assert says("model name\t: X\nflags\t\t: sse avx2 avx512f amx_bf16\n") == [
        "AMX", "AVX-512", "AVX2",
    ]  # fmt: skip
    assert says("Features\t: fp asimd i8mm\n") == ["ARM I8MM", "ARM NEON"]
    assert says("nothing of the kind\n") == []


def test_measuring_says_when_another_way_is_surely_faster():
    slow = Way("cpu", "float32", 2.0, 1.9, 2.1, chosen=True)
    fast = Way("openvino", "float32", 1.0, 0.9, 1.1, chosen=False)
    near = Way("openvino", "float32", 1.9, 1.8, 2.2, chosen=False)
    assert "openvino is 2.0 times as fast" in verdict([slow, fast])[0]
    assert "nothing is surely faster" in verdict([slow, near])[0]


def test_the_command_measures_and_names_what_auto_takes(monkeypatch):
    ways = [Way("cpu", "float32", 2.0, 1.9, 2.1, chosen=True)]
    monkeypatch.setattr("modeling_empathic.scoring.measuring.measure", lambda: iter(ways))
    code, out, _ = run_command("models", "--measure")
    assert code == 0 and "--device cpu --dtype float32" in out and "auto takes cpu" in out
    code, out, _ = run_command("models", "--measure", "--json")
    assert code == 0 and '"chosen": true' in out


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize(("clips", "advice"), [(2, "batch size below 2"), (1, "fewer heads")])
def test_a_device_without_enough_memory_is_one_line(
    error, clips, advice, tmp_path, faked, monkeypatch
):
    def no_memory(*_):
        raise error

    monkeypatch.setattr("modeling_empathic.scoring.clips.score_windows", no_memory)
    for number in range(clips):
        write_clip(tmp_path / f"{number}.wav", seconds=1)
    code, out, said = run_command("score", tmp_path)
    assert (
        code == 2
        and out == ""
        and f"out of memory on cpu: try a {advice}".replace("a fewer", "fewer")
        in said.replace("\n", " ")
    )


def test_another_error_of_a_device_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="no kernel image"), enough_memory("cuda", "less"):
        raise RuntimeError("no kernel image is available for execution on the device")
