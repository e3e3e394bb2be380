"""FLAC, WavPack and MP3 by their frames, which know better than the header how long they are.

This file ships to the Hub as remote code: it is flat, and heavy imports are inside functions.
"""

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from .containers_empathic import Piece, find, read_at

FLAC = re.compile(rb"(?s)fLaC[\0\x80]\0\0\x22")
WAVPACK = re.compile(rb"(?s)wvpk....[\x02-\x10]\x04")

_BLOCK_BYTES, _LONGEST_HEADER = 1 << 20, 16
_SYNC = re.compile(rb"(?s)\xff[\xf8\xf9][\x10-\xff][\0-\xae]")
_RATES = (
    *(0, 88_200, 176_400, 192_000, 8_000, 16_000),
    *(22_050, 24_000, 32_000, 44_100, 48_000, 96_000),
)
_BITS = (0, 8, 12, 0, 16, 20, 24, 32)
_CRC8 = list(range(256))
for _ in range(8):
    _CRC8 = [crc << 1 ^ (0x107 if crc & 0x80 else 0) for crc in _CRC8]
_WAVPACK_FIRST = 0x800  # flag of the block that begins a frame of all channels


_MP3 = re.compile(rb"(?s)\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef].")  # MPEG 1, 2 or 2.5, layer III
_MP3_KBPS = (
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_MP3_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_COUNTS_FRAMES = 1  # flag of the tag in an MP3's first frame
_FIELDS = ((1, 4), (2, 4), (4, 100), (8, 4))  # flags of it, and the bytes of what each announces
_LAME_BYTES = 21  # behind these, from the encoder's name to what it padded
_TRIMMING = (b"LAME", b"Lavf", b"Lavc")  # encoders that FFmpeg believes
_PADDED_FRAMES = 2  # at either end; encoders pad less than that


class _Frame(NamedTuple):
    by_sample: bool  # what the number counts: samples, else frames
    number: int
    samples: int
    form: tuple[int, int, int]  # rate, channels, bits; 0: as the header says


def flac_piece(stream: BinaryIO, start: int, stop: int) -> Piece:
    """One FLAC; for FFmpeg where its frames say more, or something else, than its header.

    Each frame has a checksum of its own, the header of the file has none. libsndfile ends at the
    length that the header states, and plays at the rate that it states.
    """
    packed = int.from_bytes(read_at(stream, start + 18, 8), "big")
    form = (packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1)
    stated, n, step, base, rate, odd = packed & (1 << 36) - 1, 0, 0, 0, form[0], False
    for frame in _flac_frames(stream, _behind_metadata(stream, start, stop), stop):
        own = tuple(a or b for a, b in zip(frame.form, form, strict=True))
        if not frame.number:  # the first, or the first of another file, joined without its header
            base, step = n, frame.samples
        if base + frame.number * (1 if frame.by_sample else step) == n:
            odd = odd or own != form
            n, rate = n + frame.samples, own[0]
    # Of unknown length is a FLAC from a pipe.
    decoder = "FFmpeg" if odd or n > stated or not stated else "libsndfile"
    return Piece("FLAC", decoder, ((start, stop),), least_s=n / rate if rate and not odd else 0.0)


def _behind_metadata(stream: BinaryIO, start: int, stop: int) -> int:
    at, last = start + 4, False
    while not last and at < stop:
        head = read_at(stream, at, 4).ljust(4, b"\x80")
        at, last = at + 4 + int.from_bytes(head[1:], "big"), head[0] >= 0x80
    return at


def _flac_frames(stream: BinaryIO, at: int, stop: int) -> Iterator[_Frame]:
    while at < stop:
        block = read_at(stream, at, min(_BLOCK_BYTES + _LONGEST_HEADER, stop - at))
        for match in _SYNC.finditer(block):
            place = match.start()
            frame = _flac_frame(block[place : place + _LONGEST_HEADER])
            if frame and place < _BLOCK_BYTES:
                yield frame
        at += _BLOCK_BYTES


def _flac_frame(head: bytes) -> _Frame | None:
    """RFC 9639, 9.1; `None` of what only looks like the header of a frame."""
    size, rate = head[2] >> 4, head[2] & 15
    channels, bits = head[3] >> 4, head[3] >> 1 & 7
    more = max(0, 8 - (head[4] ^ 0xFF).bit_length() - 1) if len(head) > 4 else 9
    at = 5 + more
    ends = at + (size in (6, 7)) * (size - 5) + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if head[3] & 1 or more > 6 or len(head) <= ends or _crc8(head[:ends]) != head[ends]:
        return None
    number = head[4] & (0x7F if not more else 0x3F >> more)
    for byte in head[5:at]:
        number = number << 6 | byte & 0x3F
    if size in (6, 7):
        samples = int.from_bytes(head[at : at + size - 5], "big") + 1
    else:
        samples = 192 if size == 1 else 576 << size - 2 if size < 6 else 256 << size - 8
    last = int.from_bytes(head[ends - (1 if rate == 12 else 2) : ends], "big")
    hertz = {12: 1_000 * last, 13: last, 14: 10 * last}.get(rate) or (*_RATES, 0, 0, 0, 0)[rate]
    return _Frame(
        bool(head[1] & 1),
        number,
        samples,
        (hertz, channels + 1 if channels < 8 else 2, _BITS[bits]),
    )


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def wavpack_pieces(stream: BinaryIO, at: int, end: int) -> list[Piece]:
    """The WavPack files from a place on, each without what is no block of it, such as its tags.

    FFmpeg breaks on whatever follows the first file.
    """
    files: list[list[tuple[int, int]]] = []
    while at < end:
        if not WAVPACK.match(head := read_at(stream, at, 32)):
            at = find(stream, WAVPACK, at + 1, end)
            continue
        (size,) = struct.unpack_from("<I", head, 4)
        index, samples, flags = struct.unpack_from("<III", head.ljust(32, b"\0"), 16)
        if not files or (samples and not index and flags & _WAVPACK_FIRST):
            files.append([])
        files[-1].append((at, min(end, at + 8 + size)))
        at = files[-1][-1][1]
    return [Piece("WavPack", "FFmpeg", _joined(blocks)) for blocks in files]


def _joined(places: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    parts = places[:1]
    for start, stop in places[1:]:
        if start == parts[-1][1]:
            parts[-1] = parts[-1][0], stop
        else:
            parts.append((start, stop))
    return tuple(parts)


def mp3_parts(stream: BinaryIO, at: int, end: int) -> tuple[bytes | tuple[int, int], ...]:
    """An MP3 without what its first frame says of its frames or its padding, where that is untrue.

    FFmpeg takes the padding away where the counted frames end, which is in the midst of the sound
    where more follow than are counted; and as much as is said, which may be more than padding.
    """
    size, first = _mp3_bytes(read_at(stream, at, 4)), read_at(stream, at, 256)
    tag, head = _mp3_tag(first)
    untrue: list[tuple[int, int]] = []  # places of fields, and their bytes
    if size and head and _counts_too_few(stream, at + size, end, head):
        untrue.append((at + tag + 8, 4))
    behind = 8 + sum(n for flag, n in _FIELDS if size and head and head[7] & flag)
    lame = head[behind : behind + _LAME_BYTES + 3]
    if lame[:4] in _TRIMMING and len(lame) == _LAME_BYTES + 3:
        padded = int.from_bytes(lame[-3:])  # twelve bits before, twelve behind the sound
        if max(padded >> 12, padded & 0xFFF) > _PADDED_FRAMES * _mp3_samples(first):
            untrue.append((at + tag + behind + _LAME_BYTES, 3))
    parts: list[bytes | tuple[int, int]] = []
    start = 0
    for place, n in untrue:
        parts += [(start, place), bytes(n)]
        start = place + n
    return *parts, (start, end)


def _counts_too_few(stream: BinaryIO, place: int, end: int, tag: bytes) -> bool:
    if not tag[7] & _COUNTS_FRAMES:
        return False
    left = int.from_bytes(tag[8:12], "big")
    while left and place < end and (size := _mp3_bytes(read_at(stream, place, 4))):
        place, left = place + size, left - 1
    follows = read_at(stream, place, 64)
    joined = _mp3_tag(follows)[1]  # the next of several files
    return not left and _mp3_bytes(follows[:4]) > 0 and not joined


def _mp3_bytes(head: bytes) -> int:
    """How long a frame is; 0 where none begins, or one that does not say it."""
    if len(head) < 4 or not _MP3.match(head):
        return 0
    version, rate = head[1] >> 3 & 3, head[2] >> 2 & 3
    if rate == 3:
        return 0
    kbps = _MP3_KBPS[version == 3][head[2] >> 4]
    return _mp3_samples(head) * 125 * kbps // _MP3_HZ[version][rate] + (head[2] >> 1 & 1)


def _mp3_samples(head: bytes) -> int:
    """Of each channel in a frame."""
    return 1152 if head[1] >> 3 & 3 == 3 else 576


def _mp3_tag(frame: bytes) -> tuple[int, bytes]:
    """Where in a frame its tag stands, and the tag; nothing where it has none."""
    if len(frame) < 64:
        return 0, b""
    mono = frame[3] >> 6 == 3
    at = 4 + ((17 if mono else 32) if frame[1] >> 3 & 3 == 3 else (9 if mono else 17))
    at += 0 if frame[1] & 1 else 2  # behind the checksum
    return at, frame[at:] if frame[at : at + 4] in (b"Xing", b"Info") else b""
