"""Encoded files as pieces of sound: what one decoder reads from its start to its end.

A decoder that is given a whole file may stop where its first part ends: at the second link of a
chained Ogg, the second `data` of a WAV, the second of two files that were joined. So the parts are
found here, by the headers themselves, and each is decoded for itself.

This file ships to the Hub as remote code: it is flat, and heavy imports are inside functions.
"""

import io
import re
from typing import Any, BinaryIO, NamedTuple

from .taxonomy import UserError

STREAMED_BYTES = 0x7FFF_0000
"""Writers that stream (ffmpeg to a pipe, speech services) put a placeholder this large: no lie."""

_SEARCH_BYTES = 1 << 20
_LONGEST_HEADER = 64


class AudioError(UserError):
    """Audio that cannot be scored. The message is always ``"<name>: <reason>"``."""


class Piece(NamedTuple):
    """Sound within a file that one decoder reads.

    Attributes:
        kind: Of file, for messages: `"WAV"`, `"Ogg Opus"`.
        decoder: `"libsndfile"` or `"FFmpeg"`.
        parts: What the decoder is given: places `(start, stop)` in the file, and headers made anew.
        frames: Samples of each channel that the header promises, if it does.
        least_s: Seconds that must come out at least, where only that is known.
        note: What makes the sound doubtful although it can be decoded.
    """

    kind: str
    decoder: str
    parts: tuple[bytes | tuple[int, int], ...]
    frames: int | None = None
    least_s: float = 0.0
    note: str = ""


class View(io.RawIOBase):
    """The parts of a piece, read as if they were a file of their own.

    It has no name, since decoders would guess from that: a path and its bytes are decoded alike.

    Args:
        stream: The whole file.
        parts: Of a [`Piece`].

    Example:
        >>> View(io.BytesIO(b"0123456789"), (b"ab", (2, 4), (8, 10))).read()
        b'ab2389'
    """

    def __init__(self, stream: BinaryIO, parts: tuple[bytes | tuple[int, int], ...]) -> None:
        self._stream, self._parts, self._at = stream, parts, 0
        self._sizes = [len(p) if isinstance(p, bytes) else p[1] - p[0] for p in parts]
        self._size = sum(self._sizes)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes from the start."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of a file, but to leave it is no exception.

        Returns:
            The new place, or -22 (EINVAL, as FFmpeg's own files answer) without moving.
        """
        base = (0, self._at, self._size)[whence] if whence in (0, 1, 2) else -self._size - 1
        if not 0 <= base + offset <= self._size:
            return -22
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer from where it stands, to the end of one part at most."""
        target = memoryview(buffer).cast("B")
        start = 0
        for part, size in zip(self._parts, self._sizes, strict=True):
            inside = self._at - start
            if inside < size:
                n = min(len(target), size - inside)
                if isinstance(part, bytes):
                    target[:n] = part[inside : inside + n]
                else:
                    data = read_at(self._stream, part[0] + inside, n)
                    n = len(data)
                    target[:n] = data
                self._at += n
                return n
            start += size
        return 0


def read_at(stream: BinaryIO, at: int, n: int) -> bytes:
    """Up to `n` bytes from a place in the file."""
    stream.seek(at)
    return stream.read(n)


def size_of(stream: BinaryIO) -> int:
    """Bytes in the file."""
    return stream.seek(0, io.SEEK_END)


def find(stream: BinaryIO, pattern: re.Pattern[bytes], at: int, end: int) -> int:
    """Where a header begins, from a place on; `end` if nowhere."""
    while at < end:
        block = read_at(stream, at, min(_SEARCH_BYTES + _LONGEST_HEADER, end - at))
        match = pattern.search(block)
        if match:
            return at + match.start()
        if len(block) <= _SEARCH_BYTES:
            break
        at += _SEARCH_BYTES
    return end


def after_id3(stream: BinaryIO) -> int:
    """Where the file goes on behind the ID3 tags at its start, and the zeros that pad them."""
    at = 0
    while (head := read_at(stream, at, 10))[:3] == b"ID3" and len(head) == 10:
        a, b, c, d = head[6:10]
        at += 10 + ((a << 21) | (b << 14) | (c << 7) | d) + 10 * bool(head[5] & 0x10)
    padding = read_at(stream, at, 1 << 16) if at else b""
    return at + len(padding) - len(padding.lstrip(b"\0"))


_NO_AUDIO = (
    (rb"version https://git-lfs", "a git-LFS pointer: run 'git lfs pull'"),
    (
        rb"/annex/objects/",
        "a git-annex pointer: run 'git annex get'",
    ),
    (rb"(?i)\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body)", "an HTML page"),
    (rb"\s*<\?xml", "an XML text"),
    (rb"\s*#EXTM3U|ffconcat", "a playlist: give the files that it names"),
    (rb"\s*[\[{]\s*[\"{\[}]", "a JSON text"),
    (rb"\x1f\x8b\x08", "a gzip archive: unpack it first"),
    (rb"PK(\x03\x04|\x05\x06)", "a zip archive: unpack it first"),
    (rb"BZh[1-9]1AY", "a bzip2 archive: unpack it first"),
    (rb"\xfd7zXZ\0", "an xz archive: unpack it first"),
    (rb"\x28\xb5\x2f\xfd", "a zstd archive: unpack it first"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (rb"Rar!\x1a\x07", "a rar archive: unpack it first"),
    (rb".{257}ustar", "a tar archive: unpack it first"),
    (rb"MThd", "a MIDI file: notes, no sound"),
    (rb"%PDF", "a PDF"),
    (rb"\x89PNG|\xff\xd8\xff[\xe0-\xef\xdb]|GIF8[79]a", "a picture"),
    (rb"PAR1", "a Parquet table"),
    (rb"\x93NUMPY", "a NumPy array: load it and give it with its sampling rate"),
    (rb"\x89HDF", "an HDF5 file"),
    (rb"\xed\xab\xee\xdb|\x7fELF|MZ.{58}[\x40-\xff]\0\0\0", "a program"),
)
_NO_AUDIO_PATTERNS = [(re.compile(b"(?s)" + text), reason) for text, reason in _NO_AUDIO]


def no_audio(head: bytes) -> str | None:
    """What the first bytes say that a file is, if that is no audio; `None` if they do not say.

    Args:
        head: At least 300 bytes, or the whole file.

    Example:
        >>> no_audio(b"<!DOCTYPE html><title>404</title>")
        'an HTML page'
    """
    for pattern, reason in _NO_AUDIO_PATTERNS:
        if pattern.match(head):
            return reason
    return None
