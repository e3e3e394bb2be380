"""The first layers of many files as one matrix, mapped instead of copied.

40 Small heads are 5.9 GB in bfloat16 and 11.8 GB in float32; copying them into fresh memory takes
most of the time until the first score. Each lies in a file of its own, as its last tensor, at a
multiple of 64 KiB and a multiple of it long: so the files can be mapped one behind the other into
one range of addresses, which is the one matrix that a single wide product wants. Loading reads
nothing, a second process shares the memory, and the system may drop what it needs elsewhere.
"""

import ctypes
import json
import mmap
import os
import sys
import weakref
from pathlib import Path
from typing import Any

import torch
from numpy.ctypeslib import as_array
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

ALIGNMENT = 65_536  # bytes; the largest page size in use (arm64), a multiple of all smaller ones
_NAMES = {  # in safetensors
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int8: "I8",
}
_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)  # promise no memory for pages nobody writes
_FIXED = 0x10  # Linux: at this address


def save_tensors(
    tensors: dict[str, torch.Tensor], file: str | os.PathLike[str], metadata: dict[str, str]
) -> None:
    """As safetensors' `save_file`, whose own error of a full disk is no `OSError`.

    Args:
        tensors: Contiguous tensors by name.
        file: Where to.
        metadata: Texts to keep with them.

    Raises:
        OSError: It could not be written.
    """
    try:
        save_file(tensors, file, metadata=metadata)
    except SafetensorError as error:
        raise OSError(f"{Path(file).name} could not be written: {error}") from None


def save_mappable(
    tensors: dict[str, torch.Tensor], file: str | os.PathLike[str], last: str
) -> None:
    """Writes a safetensors file whose tensor `last` can be mapped by [`map_rows`].

    Args:
        tensors: Contiguous tensors by name.
        file: Where to.
        last: Name of the tensor to put last, at a multiple of `ALIGNMENT`.

    Example:
        >>> import tempfile
        >>> from safetensors.torch import load_file
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     save_mappable({"w": torch.eye(2), "b": torch.ones(3)}, file.name, last="w")
        ...     os.path.getsize(file.name), load_file(file.name)["w"].tolist()
        (65552, [[1.0, 0.0], [0.0, 1.0]])
    """
    if any(tensor.dtype not in _NAMES for tensor in tensors.values()):
        save_tensors(tensors, file, {"format": "pt"})  # whatever it is, it is not mapped
        return
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    others = sorted(tensors.keys() - {last}, key=lambda name: (-tensors[name].itemsize, name))
    names = [*others, last]  # wide types first: then none of them starts at an odd place
    end = 0
    for name in names:
        start, end = end, end + tensors[name].nbytes
        header[name] = {
            "dtype": _NAMES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    before_last = 8 + len(text) + end - tensors[last].nbytes
    text += b" " * (-before_last % ALIGNMENT)  # spaces after the header are part of the format
    with Path(file).open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            stream.write(tensors[name].detach().cpu().view(torch.uint8).numpy().data)


def map_rows(
    files: list[tuple[str, str]], shape: tuple[int, ...], dtype: torch.dtype
) -> torch.Tensor | None:
    """One tensor of every file, one below the other, without reading or copying them.

    The memory is private: what is written to the tensor stays in this process, and the files
    may be replaced (not overwritten in place) while it lives.

    Args:
        files: `(path, tensor name)` in the order of the rows.
        shape: `(rows, columns)` of every one of the tensors.
        dtype: Their type.

    Returns:
        `(len(files) * rows, columns)`, or `None` where this cannot be had: not Linux, another
        type or shape, a tensor that does not lie on page boundaries, or a broken file.
    """
    if sys.platform != "linux" or dtype not in _NAMES:
        return None
    expected = {"dtype": _NAMES[dtype], "shape": list(shape)}
    size = shape[0] * shape[1] * dtype.itemsize
    offsets = []
    for path, name in files:
        try:
            with safe_open(path, framework="pt"):  # checks the header and the file's length
                pass
        except SafetensorError:
            return None  # who then reads it the usual way says what is wrong
        with Path(path).open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            tensor = json.loads(stream.read(length)).get(name, {})
        start, end = tensor.pop("data_offsets", (0, 0))
        if tensor != expected or end - start != size:
            return None
        offsets.append(8 + length + start)
    if not files or any(number % mmap.PAGESIZE for number in (size, *offsets)):
        return None
    return _map([path for path, _ in files], offsets, size, dtype).view(-1, shape[1])


def _map(paths: list[str], offsets: list[int], size: int, dtype: torch.dtype) -> torch.Tensor:
    """`size` bytes of every file from its offset, as one flat tensor."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

    def mapped(
        address: int | None, length: int, access: int, flags: int, fd: int, offset: int
    ) -> int:
        begin: int = libc.mmap(
            address, length, access, mmap.MAP_PRIVATE | _RESERVE | flags, fd, offset
        )
        if begin == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "mapping weights")
        return begin

    total = size * len(paths)
    start = mapped(None, total, 0, mmap.MAP_ANONYMOUS, -1, 0)  # only to find a free range
    block = (ctypes.c_uint8 * total).from_address(start)
    # The numpy array below holds the block, and torch holds the array.
    weakref.finalize(block, libc.munmap, start, total).atexit = False
    for number, (path, offset) in enumerate(zip(paths, offsets, strict=True)):
        with Path(path).open("rb") as stream:
            fd = stream.fileno()
            mapped(
                start + number * size, size, mmap.PROT_READ | mmap.PROT_WRITE, _FIXED, fd, offset
            )
            # Read ahead in one go where the file is not in memory: the product touches all of
            # its rows at once, which would be a disk's worst case.
            os.posix_fadvise(fd, offset, size, os.POSIX_FADV_WILLNEED)
    return torch.from_numpy(as_array(block)).view(dtype)
