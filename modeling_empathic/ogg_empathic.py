"""Ogg by its pages: the links of a chain, each of which may have another codec, rate and layout.

This file ships to the Hub as remote code: it is flat, and heavy imports are inside functions.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from .containers_empathic import Piece, find, read_at

OGG = re.compile(rb"OggS\0")
_HEADER = struct.Struct("<4xBBqIIIB")
_FIRST = 2  # flag of the page that begins a stream
_NO_GRANULE = -1  # of a page on which no packet ends
_MOST_SKIPPED = 12_000  # samples of Opus, 0.25 s: encoders say 0.08 s at most, cutters some more


class _Page(NamedTuple):
    start: int
    first: bool
    granule: int
    serial: int
    head: bytes  # of its content


@dataclass
class _Track:
    """A logical stream of sound: its codec, and where its clock began and ended."""

    codec: str
    rate: int
    skipped: int = 0
    clock: list[int] = field(default_factory=list)


def ogg_pieces(stream: BinaryIO, at: int, end: int) -> list[Piece]:
    """The links of an Ogg file, from a place to the end, in order; of several streams the first.

    FFmpeg reads them, Vorbis too: libsndfile ends where the clock of the last page says, which may
    be in the midst of the sound.
    """
    pieces = []
    start, tracks, open_ = at, dict[int, _Track](), True
    for page in _pages(stream, at, end):
        if page.first and not open_:
            pieces += _link(stream, tracks, start, page.start)
            start, tracks = page.start, {}
        open_ = page.first
        if page.first:
            if track := _track(page.head):
                tracks[page.serial] = track
        elif page.serial in tracks and page.granule > 0:
            clock = tracks[page.serial].clock
            clock[1:] = [page.granule]
    return pieces + _link(stream, tracks, start, end)


def _pages(stream: BinaryIO, at: int, end: int) -> Iterator[_Page]:
    while (at := find(stream, OGG, at, end)) < end:
        head = read_at(stream, at, 27 + 255 + 64)
        if len(head) < 27:
            return
        _, flags, granule, serial, _, _, segments = _HEADER.unpack_from(head)
        body = 27 + segments
        yield _Page(at, bool(flags & _FIRST), granule, serial, head[body : body + 64])
        next_ = at + body + sum(head[27:body])
        # A page that leads nowhere was damaged: look for the next from within it.
        at = next_ if next_ >= end or read_at(stream, next_, 4) == b"OggS" else at + 4


def _track(head: bytes) -> _Track | None:
    if head[:7] == b"\x01vorbis" and len(head) >= 16:
        return _Track("Vorbis", struct.unpack_from("<I", head, 12)[0])
    if head[:8] == b"OpusHead":
        skipped = int.from_bytes(head[10:12], "little")  # of what is decoded, before it is heard
        return _Track("Opus", 48_000, skipped)
    if head[:5] == b"\x7fFLAC" and len(head) >= 30:
        return _Track("FLAC", int.from_bytes(head[27:30], "big") >> 4)
    if head[:8] == b"Speex   " and len(head) >= 40:
        return _Track("Speex", struct.unpack_from("<I", head, 36)[0])
    return None


def _link(stream: BinaryIO, tracks: dict[int, _Track], start: int, stop: int) -> list[Piece]:
    if not tracks and start == stop:
        return []
    if len(tracks) != 1:
        return [Piece("Ogg", "FFmpeg", ((start, stop),))]
    (track,) = tracks.values()
    parts: tuple[bytes | tuple[int, int], ...] = ((start, stop),)
    if track.skipped > _MOST_SKIPPED:
        page = _unskipped(stream, start)
        parts, track.skipped = (page, (start + len(page), stop)), 0
    least_s = 0.0
    if len(track.clock) == 2 and track.rate:
        least_s = (track.clock[1] - track.clock[0] - track.skipped) / track.rate
    return [Piece(f"Ogg {track.codec}", "FFmpeg", parts, least_s=least_s)]


def _unskipped(stream: BinaryIO, start: int) -> bytes:
    """The first page of an Opus, of which nothing is to be left out."""
    head = read_at(stream, start, 27 + 255)
    segments = head[27 : 27 + head[26]]
    page = bytearray(read_at(stream, start, 27 + len(segments) + sum(segments)))
    at = page.index(b"OpusHead") + 10
    page[at : at + 2], page[22:26] = bytes(2), bytes(4)
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x104C11DB7 * (crc >> 31)) & 0xFFFFFFFF
    page[22:26] = crc.to_bytes(4, "little")
    return bytes(page)
