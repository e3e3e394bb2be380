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
    """The links of an Ogg file, from a place to the end, in order.

    Where one has a single stream of Vorbis, libsndfile reads it; FFmpeg reads other codecs, and the
    first of several streams.
    """
    pieces = []
    start, tracks, others, open_ = at, dict[int, _Track](), set[int](), True
    for page in _pages(stream, at, end):
        if page.first and not open_:
            pieces += _link(tracks, others, start, page.start)
            start, tracks, others = page.start, {}, set()
        open_ = page.first
        if page.first:
            track = _track(page.head)
            if track:
                tracks[page.serial] = track
            else:
                others.add(page.serial)
        elif page.serial in tracks and page.granule > 0:
            clock = tracks[page.serial].clock
            clock[1:] = [page.granule]
    return pieces + _link(tracks, others, start, end)


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


def _link(tracks: dict[int, _Track], others: set[int], start: int, stop: int) -> list[Piece]:
    if not tracks and start == stop:
        return []
    if len(tracks) != 1:
        return [Piece("Ogg", "FFmpeg", ((start, stop),))]
    (track,) = tracks.values()
    alone = track.codec == "Vorbis" and not others
    least_s = 0.0
    if len(track.clock) == 2 and track.rate:
        least_s = (track.clock[1] - track.clock[0] - track.skipped) / track.rate
    decoder = "libsndfile" if alone else "FFmpeg"
    return [Piece(f"Ogg {track.codec}", decoder, ((start, stop),), least_s=least_s)]
