"""Opens the public heads' pickles in a process of its own, which hands back safetensors.

`weights_only=True` keeps a pickle from running code, in the versions of torch without a known hole.
Should there be another, that process has no token in its environment, and what it hands back is
read as tensors and shapes, never unpickled. One process serves all heads; it ends with this one.
"""

import json
import os
import subprocess
import sys
import threading
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from modeling_empathic.taxonomy import UserError

_PUBLIC_LAYER = {"mlp.2": "mlp.0", "mlp.5": "mlp.1", "mlp.8": "mlp.2", "mlp.11": "mlp.3"}
_KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR")
_ONE_AT_A_TIME = threading.Lock()


class ConversionError(UserError):
    """A source that cannot be converted faithfully; the message names the file and the reason."""


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of a public head's tensors under our names; no tensor is read.

    Raises:
        ConversionError: It is no public head, or unpacks to more than it holds.
    """
    return {key: tuple(shape) for key, shape in _ask(path, None).items()}


def read_head(path: Path, into: Path) -> dict[str, Any]:
    """A public head's tensors under our names.

    Args:
        path: The pickle.
        into: A file to hand them over in; it is gone afterwards.

    Raises:
        ConversionError: As `shapes_of`.
    """
    from safetensors.torch import load_file

    try:
        _ask(path, into)
        return load_file(into)
    finally:
        into.unlink(missing_ok=True)


def _ask(path: Path, into: Path | None) -> dict[str, list[int]]:
    asked = [str(path.absolute()), into and str(into.absolute())]
    with _ONE_AT_A_TIME:
        process = _opener(os.getpid())
        assert process.stdin and process.stdout
        try:
            print(json.dumps(asked), file=process.stdin, flush=True)
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            _opener.cache_clear()
            raise ConversionError(f"{path.name} was not loaded: it ends the process that opens it")
    said = json.loads(answer)
    if "error" in said:
        raise ConversionError(said["error"])
    shapes: dict[str, list[int]] = said["shapes"]
    return shapes


@cache
def _opener(_: int) -> "subprocess.Popen[str]":
    """The process, for each that asks: a fork must not read another's answers."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {__name__} import _serve; _serve()"],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, start_new_session=True,  # Ctrl-C is the parent's; it ends when stdin does
    )  # fmt: skip


def _serve() -> None:
    """The other process: a line with two paths in, a line with shapes or an error out."""
    from modeling_empathic.mapping_empathic import save_tensors

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin:
        path, into = json.loads(line)
        try:
            tensors = _open(Path(path), "cpu" if into else "meta")
            if into:
                contiguous = {key: tensor.contiguous() for key, tensor in tensors.items()}
                save_tensors(contiguous, into, {})
            said: dict[str, Any] = {"shapes": {key: list(t.shape) for key, t in tensors.items()}}
        except ConversionError as error:
            said = {"error": str(error)}
        except OSError as error:
            said = {"error": f"{Path(path).name}: {error.strerror or error}"}
        print(json.dumps(said), file=answers, flush=True)


def _open(path: Path, device: str) -> dict[str, Any]:
    """A public state dict under our names; `device="meta"` reads the shapes alone."""
    import torch

    _refuse_packed(path)
    try:
        state_dict = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConversionError(
            f"{path.name} is not a plain state dict and was not loaded: {reason}"
        ) from error
    if not isinstance(state_dict, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor)
        for key, value in state_dict.items()
    ):
        raise ConversionError(f"{path.name} does not hold a dict of tensors")
    if not all(t.layout is torch.strided and t.is_floating_point() for t in state_dict.values()):
        raise ConversionError(f"{path.name} holds tensors that are not plain floating point")
    n_bytes = sum(tensor.numel() * tensor.itemsize for tensor in state_dict.values())
    if n_bytes > path.stat().st_size:  # one number, repeated: a kilobyte can stand for terabytes
        raise ConversionError(f"{path.name} stands for {n_bytes:,} bytes, more than it holds")
    renamed = {}
    for key, tensor in state_dict.items():
        layer, _, part = key.removeprefix("_orig_mod.").rpartition(".")
        renamed[f"{_PUBLIC_LAYER.get(layer, layer)}.{part}"] = tensor
    expected = {f"{layer}.{part}" for layer in ("proj", *_PUBLIC_LAYER.values())
                for part in ("weight", "bias")}  # fmt: skip
    if set(renamed) != expected or len(renamed) != len(state_dict):
        raise ConversionError(
            f"{path.name} is not a public head: its keys are {sorted(state_dict)[:12]}"
        )
    return renamed


def _refuse_packed(path: Path) -> None:
    """Refuses what `torch.load` would unpack to more than the file: torch itself packs nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise ConversionError(
            f"{path.name} is not a plain state dict and was not loaded: no archive of torch >= 1.6"
        ) from None
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or sum(member.file_size for member in members) > path.stat().st_size:
        raise ConversionError(f"{path.name} is packed, as torch never does, and was not loaded")
