"""WAV (RIFF, RF64, W64), AIFF, CAF and AU by their chunks, each with its samples in one piece.

Plain samples go to libsndfile behind a header that is written here: it never sees what else such
files hold (a decade of its advisories), nor any of the codecs that they may hold. Those go to
FFmpeg.

This file ships to the Hub as remote code: it is flat, and heavy imports are inside functions.
"""

import re
import struct
from typing import BinaryIO, NamedTuple

from .containers_empathic import STREAMED_BYTES, AudioError, Piece, find, read_at
from .mixing_empathic import check_rate

_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
WAV = re.compile(rb"(?s)(RIFF|RF64|BW64|RIFX)....WAVE")
W64 = re.compile(rb"(?s)riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0.{8}wave" + _W64_TAIL)
AIFF = re.compile(rb"(?s)FORM....AIF[FC]")
CAF = re.compile(rb"(?s)caff\0\x01\0.desc")
AU = re.compile(rb"(?s)\.snd\0\0...{4}\0\0\0[\x01-\x1b]")

_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_GUID_TAIL_BIG = bytes.fromhex("00000010800000aa00389b71")  # of RIFX
# Of WAVE format tags: the sizes of a sample, in bits, that libsndfile reads.
_WAV_PLAIN = {1: (8, 16, 24, 32), 3: (32, 64), 6: (8,), 7: (8,)}
_AIFF_PLAIN: tuple[bytes, ...] = (
    b"NONE",
    b"twos",
    b"sowt",
    b"raw ",
    b"fl32",
    b"FL32",
    b"fl64",
    b"FL64",
)
_AIFF_PLAIN += (b"alaw", b"ALAW", b"ulaw", b"ULAW", b"in24", b"in32", b"42ni", b"23ni")
_AIFF_WIDTH = {b"in24": 3, b"42ni": 3, b"in32": 4, b"23ni": 4}
# G.721 and G.723 as these headers name them: FFmpeg makes noise of them.
_WAV_NOISE, _AU_NOISE = (0x14, 0x40), (23, 24, 25, 26)
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}
# How sound begins that was coded although its WAV says PCM: DTS, AC-3, IEC 61937, MP3.
_CODED = re.compile(
    rb"(?s)\0*(\x7f\xfe\x80\x01|\xfe\x7f\x01\x80|\x1f\xff\xe8\0|\xff\x1f\0\xe8|\x0b\x77|"
    rb"\x72\xf8\x1f\x4e|ID3|\xff[\xf2-\xf7\xfa-\xff])"
)
_SOUND = (b"data", b"ssnd")
_TAGS = (b"TAG", b"APETAGEX", b"ID3", b"LYRICS")
_CONTRADICTS = "header contradicts itself"
_LEFT_BYTES = 4096  # behind the last chunk, from where on it may be sound
_FORGIVEN_S = 0.025
_MOST_BYTES = 1 << 30  # of samples behind one header, far from where 32 bits end


class _Chunk(NamedTuple):
    name: bytes
    start: int
    stop: int  # within the file
    promised: int  # bytes


def _chunks(
    stream: BinaryIO, at: int, end: int, form: re.Pattern[bytes]
) -> tuple[list[_Chunk], int]:
    """Chunks from a place to the end, to the next file behind this one, or to what is no chunk."""
    wide = form in (W64, CAF)
    layout = {W64: "<16sQ", CAF: ">4sq", AIFF: ">4sI"}.get(form, "<4sI")
    if form is WAV and read_at(stream, at, 4) == b"RIFX":
        layout = ">4sI"
    header = struct.calcsize(layout)
    at += {W64: 40, CAF: 8}.get(form, 12)
    found: list[_Chunk] = []
    wide_data = 0
    while len(head := read_at(stream, at, 64)) >= header and not form.match(head):
        name, size = struct.unpack_from(layout, head)
        # Chunks of any name are passed over on the way to the sound.
        if not _is_name(name) and any(chunk.name.lower() in _SOUND for chunk in found):
            break
        if form is W64:
            size -= header
        if form is CAF and size == -1:
            size = 1 << 62
        start = at + header
        if name == b"ds64":  # of RF64: the sizes that 32 bits cannot hold
            wide_data = int.from_bytes(read_at(stream, start + 8, 8), "little")
        if name == b"data" and size == 0xFFFFFFFF and 0 < wide_data < 1 << 62:
            size = wide_data
        if size < 0 or (start + size > end and name[:4].lower() not in _SOUND):
            break
        found.append(_Chunk(name[:4], start, min(end, start + size), size))
        at = start + size
        if form is W64:
            at = -(-at // 8) * 8
        elif size & 1 and not wide:
            padded = read_at(stream, at, 5)
            # Padded to whole words, but some writers forget.
            at += not (_is_name(padded[:4]) and not _is_name(padded[1:5]))
    return found, min(at, end)


def _is_name(name: bytes) -> bool:
    return len(name) >= 4 and all(32 <= byte < 127 for byte in name[:4])


def chunked_pieces(
    stream: BinaryIO, at: int, end: int, form: re.Pattern[bytes], name: str
) -> tuple[list[Piece], int]:
    """The sound of the file that begins here, and where the next begins.

    Args:
        stream: The whole file.
        at: Where `form` matches.
        end: Of the file.
        form: `WAV`, `W64`, `AIFF`, `CAF` or `AU`.
        name: For messages.

    Returns:
        Pieces in order, and `end` if nothing of this kind follows.

    Raises:
        AudioError: A header without a format, or samples that are cut short.
    """
    if form is AU:
        return _au(stream, at, end, name)
    chunks, stopped = _chunks(stream, at, end, form)
    data = [chunk for chunk in chunks if chunk.name.lower() in _SOUND]
    # Recorders that were stopped leave a size of 0, or one of a stream: samples to the end.
    if data and (
        (data[-1].promised == 0 and stopped == data[-1].stop)
        or (data[-1].promised >= STREAMED_BYTES and data[-1].stop == end and form is not W64)
    ):
        stopped = find(stream, form, data[-1].start, end)
        streamed = data[-1].promised or 1 << 62
        data[-1] = data[-1]._replace(stop=stopped, promised=streamed)
    following = find(stream, form, stopped, end)
    read = {WAV: _wav, W64: _wav, AIFF: _aiff, CAF: _caf}[form]
    pieces = read(stream, (at, following), chunks, data, name)
    n_left = following - stopped
    left = read_at(stream, stopped, min(n_left, 1 << 20)) if n_left > _LEFT_BYTES else b""
    if left.strip(b"\0") and not left.startswith(_TAGS):
        note = f"{n_left} bytes behind the stated end are not read"
        pieces = [piece._replace(note=piece.note or note) for piece in pieces]
    return pieces, following


def _wav(
    stream: BinaryIO, place: tuple[int, int], chunks: list[_Chunk], data: list[_Chunk], name: str
) -> list[Piece]:
    magic = read_at(stream, place[0], 4)
    order = ">" if magic == b"RIFX" else "<"
    formats = {read_at(stream, c.start, c.stop - c.start) for c in chunks if c.name == b"fmt "}
    if len(formats) != 1 or len(fmt := formats.pop()) < 16:
        raise AudioError(f"{name}: a WAV without one format that holds for all of it")
    tag, channels, rate, byte_rate, align, bits = struct.unpack_from(order + "HHIIHH", fmt)
    if tag == 0xFFFE and fmt[26:40] == _GUID_TAIL:
        tag = struct.unpack_from("<H", fmt, 24)[0]
    elif tag == 0xFFFE and order == ">" and fmt[28:40] == _GUID_TAIL_BIG:
        tag = struct.unpack_from(">H", fmt, 26)[0]
    id_ = b"RIFX" if order == ">" else b"RIFF"
    depth, note = 0, ""
    if tag in _WAV_PLAIN and channels and rate:
        width = 1 if tag in (6, 7) else -(-bits // 8) or align // channels
        align, note = _align(channels * width, align, rate, byte_rate, name)
        depth = 8 * width
        if tag == 1 and _CODED.match(read_at(stream, data[0].start, 4096) if data else b""):
            depth = 0
    if tag in _WAV_NOISE:
        raise AudioError(f"{name}: samples as G.721 or G.723, which is not read: convert it")
    if depth not in _WAV_PLAIN.get(tag, ()):
        data = [part for part in data if part.stop > part.start]
        if not data:
            return []
        size = sum(part.stop - part.start for part in data)
        head = riff(id_, order, fmt, size)
        places = tuple((part.start, part.stop) for part in data)
        stated = _fact_s(stream, chunks, rate, order) if len(data) == 1 else 0.0
        kind = f"WAV, format {tag:#x}, {bits} bits"
        return [Piece(kind, "FFmpeg", (head, *places), least_s=stated)]
    check_rate(rate, name)
    fmt = struct.pack(
        order + "HHIIHH", tag, channels, rate, min(rate * align, 0xFFFFFFFF), align, depth
    )
    pieces = []
    for part in data:
        for start, stop, frames in _shares(part, align, rate):
            parts = (riff(id_, order, fmt, stop - start), (start, stop))
            pieces.append(Piece("WAV", "libsndfile", parts, frames, note=note))
    return pieces


def _align(width: int, align: int, rate: int, byte_rate: int, name: str) -> tuple[int, str]:
    """Bytes of one sample of all channels, and a note if the numbers around it do not agree.

    Args:
        width: By the channels and bits of the header.
        align: As it states; 0 is no statement.
        rate: In Hz.
        byte_rate: As it states; 0 is no statement. Players ignore it.
        name: For messages.

    Raises:
        AudioError: Nothing speaks for `width`, so that the sound may be twice as fast or slow.
    """
    if align not in (0, width) and byte_rate != rate * width:
        raise AudioError(
            f"{name}: a WAV whose header contradicts itself: channels and bits make {width} bytes "
            f"a sample, its block align is {align}; convert it"
        )
    agreed = align in (0, width) and abs(byte_rate - rate * width) <= rate * width // 4
    return width, "" if agreed or not byte_rate else _CONTRADICTS


def riff(magic: bytes, order: str, fmt: bytes, size: int) -> bytes:
    """The header of a WAV with nothing but its format and its samples."""
    size = min(size, 0xFFFFFFFF)
    body = b"WAVEfmt " + struct.pack(order + "I", len(fmt)) + fmt + bytes(len(fmt) & 1) + b"data"
    total = min(len(body) + 4 + size, 0xFFFFFFFF)
    return magic + struct.pack(order + "I", total) + body + struct.pack(order + "I", size)


def _fact_s(stream: BinaryIO, chunks: list[_Chunk], rate: int, order: str) -> float:
    """Seconds by the chunk that states the length of compressed sound, 0 if it does not."""
    fact = next((c for c in chunks if c.name == b"fact" and c.stop - c.start >= 4), None)
    if fact is None or not rate:
        return 0.0
    frames = struct.unpack(order + "I", read_at(stream, fact.start, 4))[0]
    return frames / rate if frames < STREAMED_BYTES else 0.0


def _shares(data: _Chunk, align: int, rate: int) -> list[tuple[int, int, int]]:
    """Places of whole samples, none too large for a header of 32 bits, and how many each has.

    The last is promised the samples that are missing, unless the header is only sloppy.
    """
    missing = data.promised - (data.stop - data.start)
    stated = data.promised not in (0xFFFFFFFF, 1 << 62) and (
        data.promised < STREAMED_BYTES or data.stop - data.start > STREAMED_BYTES
    )
    step = _MOST_BYTES // align * align
    starts = range(data.start, data.stop, step)
    shares = []
    for start in starts:
        stop = min(start + step, data.stop)
        shares.append((start, stop, (stop - start) // align))
    if stated and missing > _FORGIVEN_S * rate * align:
        start, stop, frames = shares.pop() if shares else (data.start, data.start, 0)
        shares.append((start, stop, frames + missing // align))
    return shares


def _aiff(
    stream: BinaryIO, place: tuple[int, int], chunks: list[_Chunk], data: list[_Chunk], name: str
) -> list[Piece]:
    common = next((c for c in chunks if c.name == b"COMM"), None)
    if common is None or common.stop - common.start < 18:
        raise AudioError(f"{name}: an AIFF without its format")
    if len(data) > 1:
        raise AudioError(f"{name}: an AIFF with {len(data)} chunks of samples, one is allowed")
    comm = read_at(stream, common.start, common.stop - common.start)
    form = read_at(stream, place[0] + 8, 4)
    channels, frames, bits = struct.unpack_from(">HIH", comm)
    codec = comm[18:22] if form == b"AIFC" else b"NONE"
    rate = _extended(comm[8:18])
    # libsndfile believes the header's width, FFmpeg the codec's.
    odd = codec in _AIFF_WIDTH and -(-bits // 8) != _AIFF_WIDTH[codec]
    if codec not in _AIFF_PLAIN or odd or not (channels and bits):
        return [Piece(f"AIFF, {codec!r}", "FFmpeg", (place,))]
    if not data:
        return []
    width = {b"fl64": 8, b"FL64": 8, b"fl32": 4, b"FL32": 4}.get(codec, -(-bits // 8))
    width = 1 if codec.lower() in (b"alaw", b"ulaw") else width
    align = width * channels
    offset = struct.unpack(">I", read_at(stream, data[0].start, 4).rjust(4, b"\0"))[0]
    start = min(data[0].start + 8 + offset, data[0].stop)
    samples = data[0]._replace(start=start, promised=max(0, data[0].promised - 8 - offset))
    if data[0].promised == 1 << 62:
        samples = samples._replace(promised=1 << 62)
    pieces = []
    for first, last, promised in _shares(samples, align, int(rate)):
        size = last - first
        head = comm[:2] + struct.pack(">I", size // align) + comm[6:]
        body = form + b"COMM" + struct.pack(">I", len(head)) + head + bytes(len(head) & 1)
        body += b"SSND" + struct.pack(">III", size + 8, 0, 0)
        header = b"FORM" + struct.pack(">I", len(body) + size) + body
        pieces.append(Piece("AIFF", "libsndfile", (header, (first, last)), promised))
    if pieces and frames and frames < STREAMED_BYTES:
        there = sum(piece.frames or 0 for piece in pieces)
        if frames - there > _FORGIVEN_S * rate:
            pieces[-1] = pieces[-1]._replace(frames=(pieces[-1].frames or 0) + frames - there)
        elif there - frames > _FORGIVEN_S * rate:
            pieces[-1] = pieces[-1]._replace(note=_CONTRADICTS)
    return pieces


def _extended(number: bytes) -> float:
    """An 80-bit float, as AIFF states its rate."""
    exponent, mantissa = struct.unpack(">HQ", number)
    try:
        return float(mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63))
    except OverflowError:
        return 0.0


def _caf(
    stream: BinaryIO, place: tuple[int, int], chunks: list[_Chunk], data: list[_Chunk], name: str
) -> list[Piece]:
    desc = read_at(stream, chunks[0].start, 32) if chunks else b""
    if len(desc) < 32:
        raise AudioError(f"{name}: a CAF without its format")
    if len(data) > 1:
        raise AudioError(f"{name}: a CAF with {len(data)} chunks of samples, one is allowed")
    if not data:
        return []
    rate, codec, _, align, _, channels, bits = struct.unpack_from(">d4s5I", desc)
    kind = codec.decode("latin-1").strip()
    if codec not in (b"lpcm", b"alaw", b"ulaw") or not align:
        return [Piece(f"CAF, {kind}", "FFmpeg", (place,))]
    width = channels * -(-bits // 8) if codec == b"lpcm" else channels
    if align != width:
        raise AudioError(
            f"{name}: a CAF whose header contradicts itself: channels and bits make {width} bytes "
            f"a sample, it states {align}; convert it"
        )
    samples = data[0]._replace(start=min(data[0].start + 4, data[0].stop))
    if samples.promised < 1 << 61:
        samples = samples._replace(promised=max(0, samples.promised - 4))
    pieces = []
    for start, stop, promised in _shares(samples, align, int(rate) if rate < 1e9 else 0):
        head = b"caff\0\x01\0\0desc" + struct.pack(">q", 32) + desc
        head += b"data" + struct.pack(">qI", stop - start + 4, 0)
        pieces.append(Piece("CAF", "libsndfile", (head, (start, stop)), promised))
    return pieces


def _au(stream: BinaryIO, at: int, end: int, name: str) -> tuple[list[Piece], int]:
    _, offset, size, encoding, rate, channels = struct.unpack(">4s5I", read_at(stream, at, 24))
    if offset < 24:
        raise AudioError(f"{name}: an AU whose samples begin within its header")
    start = min(at + offset, end)
    # The size of 0 is of a recorder that was stopped.
    to_end = size >= STREAMED_BYTES or size == 0
    # Nothing but sound follows the header, where it states less too.
    stop = following = find(stream, AU, start if to_end else min(end, start + size), end)
    if encoding in _AU_NOISE:
        raise AudioError(f"{name}: samples as G.721 or G.723, which is not read: convert it")
    if encoding not in _AU_BYTES or not channels:
        return [Piece(f"AU, encoding {encoding}", "FFmpeg", ((at, stop),))], following
    promised = stop - start if to_end else size
    align = _AU_BYTES[encoding] * channels
    pieces = []
    for first, last, frames in _shares(_Chunk(b"data", start, stop, promised), align, rate):
        head = struct.pack(">4s6I", b".snd", 28, last - first, encoding, rate, channels, 0)
        pieces.append(Piece("AU", "libsndfile", (head, (first, last)), frames))
    return pieces, following
