"""Encoded sound to samples: libsndfile for headers on a list, FFmpeg (PyAV) for the rest.

Reproducible scores need one decoder for each format, so that is fixed here: libsndfile for plain
samples (PCM, float, A-law, mu-law) in WAV, W64, AIFF, CAF and AU, and for FLAC; FFmpeg for MP3,
M4A, AAC, Ogg, WebM and what else people have. MP3 goes to FFmpeg because libsndfile ends
an MP3 without a length header at an estimate (it lost half of a variable-rate file), changes
samples when read in blocks, and prints to stderr; Vorbis, because it ends where the file's clock
does, which may be in the midst of the sound; Opus, because it decodes at the rate of what was
encoded once, which may be 8 kHz, and refuses a stream without an end.

libsndfile opens whatever header it knows, some of them through code with open advisories. It is
given nothing but what the list names.

This file ships to the Hub as remote code: it is flat, and heavy imports are inside functions.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from .chunks_empathic import AIFF, AU, CAF, W64, WAV, chunked_pieces
from .containers_empathic import (
    AudioError,
    Piece,
    View,
    after_id3,
    find,
    no_audio,
    read_at,
    size_of,
)
from .frames_empathic import FLAC, WAVPACK, flac_piece, mp3_parts, wavpack_pieces
from .ogg_empathic import OGG, ogg_pieces

Block = tuple[np.ndarray, int]
"""Samples `(samples, channels)` float32 and their rate in Hz."""

NO_HEADER = "no header of a known format"
"""Kind of a piece that FFmpeg is to make something of."""
_BLOCK_SAMPLES = 1 << 22  # 16 MiB of float32 at a time, whatever the channel count
_TOLERANCE_S = 0.1  # of a container's length: encoders pad, and players cut what they padded
_MP4_BOX = re.compile(rb"(?s)....(ftyp|moov|mdat|wide|free|skip|pnot|uuid|moof)")
_MATROSKA = re.compile(rb"(?s)\x1a\x45\xdf\xa3.{0,40}\x42\x82.(webm|matroska)")
# Of files that FFmpeg reads: how they begin, so that a second one behind the first is found.
_BEGINNINGS = (
    _MATROSKA,
    re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),  # ASF
    re.compile(rb"#!AMR(-WB)?\n"),
    re.compile(rb"FLV\x01[\x01\x04\x05]\0\0\0\x09"),
    re.compile(rb"(?s)TTA1[\x01\x03]\0..[\x08\x10\x18]\0"),
    re.compile(rb"(?s)RIFF....AVI LIST"),
    re.compile(rb"(?s)NIST_1A\n"),
)
_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
# FFmpeg's playlist formats (HLS, DASH, concat) open other files and URLs: only self-contained ones.
FFMPEG_FORMATS = (
    f"{_MP4},matroska,webm,aac,mp3,ogg,wav,w64,flac,aiff,caf,au,asf,xwma,amr,ac3,eac3,dts,avi,flv,"
    "mpeg,mpegts,tta,wv,ape,loas,nistsphere,voc,ircam,truehd"
)
_STATES_LENGTH = ("matroska,webm", "asf", "avi", "tta", "ape", "wv", "caf", "nistsphere", "xwma")
_DAMAGED_SHARE = 0.1  # of the packets: with more lost it is another recording


def pieces(stream: BinaryIO, name: str) -> list[Piece]:
    """What sound lies in an encoded file, in the order of time.

    Args:
        stream: The whole file, seekable.
        name: For messages.

    Raises:
        AudioError: Empty, or by its first bytes something else than audio.
    """
    end = size_of(stream)
    if not end:
        raise AudioError(f"{name}: empty file")
    at = after_id3(stream)
    head = read_at(stream, at, 512)
    if reason := no_audio(head):
        raise AudioError(f"{name}: not audio but {reason}")
    if OGG.match(head):
        return ogg_pieces(stream, at, end)
    for form in (WAV, W64, AIFF, CAF, AU):
        if form.match(head):
            found: list[Piece] = []
            while at < end:
                more, at = chunked_pieces(stream, at, end, form, name)
                found += more
            return found
    if FLAC.match(head):
        return [flac_piece(stream, *part) for part in _split(stream, FLAC, at, end)]
    if WAVPACK.match(head):
        return wavpack_pieces(stream, at, end)
    if _MP4_BOX.match(head):
        return [Piece("MP4", "FFmpeg", (part,)) for part in _mp4_files(stream, at, end)]
    for beginning in _BEGINNINGS:
        if beginning.match(head):
            parts = _split(stream, beginning, at, end)
            return [Piece("of a known format", "FFmpeg", (part,)) for part in parts]
    return [Piece(NO_HEADER, "FFmpeg", mp3_parts(stream, at, end))]


def _split(
    stream: BinaryIO, beginning: re.Pattern[bytes], at: int, end: int
) -> list[tuple[int, int]]:
    """Places of files that were joined, each from its header to the next."""
    parts = []
    while at < end:
        inside = _segment_end(stream, at) if beginning is _MATROSKA else at + 4
        following = find(stream, beginning, min(inside, end), end)
        parts.append((at, following))
        at = following
    return parts


def _segment_end(stream: BinaryIO, at: int) -> int:
    """Where a Matroska ends, which may hold others as attachments; where it begins, if live."""
    for _ in ("header", "segment"):
        head = read_at(stream, at, 12).ljust(12, b"\0")
        width = 9 - head[4].bit_length()
        size = int.from_bytes(head[4 : 4 + width], "big") & (1 << 7 * width) - 1
        at += 4 + width
        if size == (1 << 7 * width) - 1:  # unknown
            break
        at += size
    return at


def _mp4_files(stream: BinaryIO, at: int, end: int) -> list[tuple[int, int]]:
    """As `_split`, by the boxes on the top level: `ftyp` may stand anywhere in sound."""
    starts, box = [at], at
    while len(head := read_at(stream, box, 16)) >= 8:
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if head[4:8] == b"ftyp" and box > starts[-1]:
            starts.append(box)
        if size < 8:  # 0: to the end
            break
        box += size
    return list(zip(starts, [*starts[1:], end], strict=True))


def decode(
    stream: BinaryIO, name: str, check: Callable[[int, int], None], notes: list[str]
) -> Iterator[Block]:
    """All sound of an encoded file, block by block.

    Args:
        stream: The whole file, seekable.
        name: For messages.
        check: Called with samples and their rate before they are decoded, where the header says how
            many, else on the way; raises if that is too much.
        notes: Gets what makes the sound doubtful although it could be decoded.

    Raises:
        AudioError: Not audio, damaged, or cut short. Whatever else a decoder raises ends as one.
        ImportError: The decoder is not installed.
    """
    try:
        for piece in pieces(stream, name):
            n, rate = 0, 0
            if piece.note:
                notes.append(piece.note)
            for block, rate in _decode_piece(stream, piece, name, check, notes):
                n += len(block)
                yield block, rate
            if rate and n / rate < piece.least_s - _TOLERANCE_S:
                raise AudioError(f"{name}: damaged: {n / rate:.2f} of {piece.least_s:.2f} s")
    except (AudioError, ImportError, MemoryError):
        raise
    except Exception as err:  # decoders raise their own, and the operating system's
        text = " ".join(str(err).split()) or type(err).__name__
        raise AudioError(f"{name}: cannot be decoded: {text}") from err


def _decode_piece(
    stream: BinaryIO,
    piece: Piece,
    name: str,
    check: Callable[[int, int], None],
    notes: list[str],
) -> Iterator[Block]:
    reason = piece.kind
    if piece.decoder == "libsndfile":
        import soundfile

        try:
            file = soundfile.SoundFile(View(stream, piece.parts))
        except soundfile.LibsndfileError as err:
            reason += f"; libsndfile: {err.error_string.rstrip('. ')}"
        else:
            with file:
                yield from _decode_sndfile(file, piece, name, check)
            return
    yield from _decode_ffmpeg(View(stream, piece.parts), name, check, notes, reason)


def _decode_sndfile(
    file: Any, piece: Piece, name: str, check: Callable[[int, int], None]
) -> Iterator[Block]:
    """Block by block: ten minutes of 8 channels at 192 kHz would be 3.7 GB at once."""
    import soundfile

    rate, n = file.samplerate, 0
    expected = file.frames if piece.frames is None else piece.frames
    check(expected, rate)
    frames = max(1, min(_BLOCK_SAMPLES // file.channels, max(file.frames, 1)))
    try:
        while len(block := file.read(frames, dtype="float32", always_2d=True)):
            n += len(block)
            yield block, rate
    except soundfile.LibsndfileError:  # a FLAC that ends early is refused below, with how much
        pass
    if n < expected:
        raise AudioError(f"{name}: truncated or damaged: {n / rate:.2f} of {expected / rate:.2f} s")


def _decode_ffmpeg(
    stream: View, name: str, check: Callable[[int, int], None], notes: list[str], reason: str
) -> Iterator[Block]:
    """The first track of sound; `reason` is why libsndfile does not read it."""
    try:
        import av  # in a try block, so that remote code does not demand it of WAV users
    except ImportError as err:
        raise ImportError(f"{name}: needs the package 'av' ({reason})") from err

    n = rate = n_packets = n_damaged = 0
    first_s, last_s, stated_s = math.inf, 0.0, 0.0
    waiting: list[np.ndarray] = []
    try:
        options = {"format_whitelist": FFMPEG_FORMATS}
        with av.open(stream, "r", options=options, metadata_errors="ignore") as container:
            tracks = container.streams.audio
            if not tracks:
                raise AudioError(f"{name}: holds no audio stream")
            if tracks[0].codec_context is None:
                raise AudioError(f"{name}: its codec is not known here")
            if len(tracks) > 1:
                notes.append(f"first of {len(tracks)} tracks")
            for frames in _frames(container, tracks[0]):
                n_packets += 1
                n_damaged += frames is None
                for frame in frames or ():
                    samples = _samples(frame)
                    if waiting and (
                        frame.sample_rate != rate or samples.shape[1] != waiting[0].shape[1]
                    ):
                        yield np.concatenate(waiting), rate
                        waiting = []
                    n, rate = n + len(samples), frame.sample_rate
                    if frame.time is not None:  # sound may begin late, and have gaps
                        first_s = min(first_s, max(0.0, frame.time))
                        last_s = max(last_s, frame.time + len(samples) / rate)
                    check(n, rate)
                    waiting.append(samples)
                    if len(waiting) * samples.size > _BLOCK_SAMPLES // 16:
                        yield np.concatenate(waiting), rate
                        waiting = []
            stated_s = _stated_s(container, tracks[0])
            begins_s = first_s if container.format.name != _MP4 and first_s < math.inf else 0.0
    except av.FFmpegError as err:
        if not n:
            if reason != NO_HEADER:
                reason += ": nothing behind its header can be decoded"
            if isinstance(err, av.DecoderNotFoundError):  # the others' words only say so again
                reason += f"; {err.strerror}"
            raise AudioError(f"{name}: not audio ({reason})") from err
        raise AudioError(f"{name}: damaged after {n / rate:.2f} s: {err.strerror}") from err
    if waiting:
        yield np.concatenate(waiting), rate
    if n_damaged > 1 + _DAMAGED_SHARE * n_packets or (n_damaged and not n):
        raise AudioError(f"{name}: damaged: {n_damaged} of {n_packets} packets cannot be decoded")
    seconds = n / rate if rate else 0.0
    expected_s, reached_s = stated_s - begins_s, max(seconds, last_s - first_s)
    if reached_s < expected_s - _TOLERANCE_S:
        raise AudioError(f"{name}: truncated: {seconds:.2f} of {expected_s:.2f} s")
    if stated_s and seconds < reached_s - _TOLERANCE_S:
        notes.append(f"gaps: {reached_s - seconds:.1f} s are missing")
    if n_damaged > 1:  # one: tags at the end, or a cut last packet
        notes.append(f"damaged: {n_damaged} of {n_packets} packets lost")


def _frames(container: Any, track: Any) -> Iterator[Any]:
    """What each packet decodes to; `None` for one that cannot be, as players skip it."""
    import av

    for packet in container.demux(track):
        if not packet.size:  # to a decoder this is the end, but some writers leave them between
            continue
        try:
            yield packet.decode()
        except (av.FFmpegError, ValueError):
            yield None
    try:
        yield track.codec_context.decode(None)
    except av.FFmpegError:
        yield ()


def _samples(frame: Any) -> np.ndarray:
    """A frame as `(samples, channels)` float32, integers scaled by the range of their type."""
    import av

    if frame.format.name in ("s64", "s64p"):  # which numpy may, but PyAV does not give
        (frame,) = av.AudioResampler(format="fltp").resample(frame)
    samples = frame.to_ndarray()  # planar (channels, n) or packed (1, n * channels)
    n_channels = frame.layout.nb_channels
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, n_channels)
    return np.ascontiguousarray(as_float32(samples))


def as_float32(samples: np.ndarray) -> np.ndarray:
    """float32, integers scaled by the range of their type (as libsndfile does).

    Raises:
        TypeError: Of a type whose full scale nobody knows.
    """
    kind = samples.dtype
    if kind.kind == "f":
        with np.errstate(over="ignore"):  # float64 may overflow to Inf, which is refused later
            return samples.astype(np.float32, copy=False)
    if kind == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if kind in (np.int8, np.int16, np.int32):
        return (samples / -float(np.iinfo(kind).min)).astype(np.float32)
    raise TypeError(str(kind))


def _stated_s(container: Any, track: Any) -> float:
    """Seconds of sound by the container, 0 where it does not say: FFmpeg guesses by file size."""
    form = container.format.name
    if form == _MP4:
        return float((track.duration or 0) * (track.time_base or 0))
    if text := track.metadata.get("DURATION"):  # of one track in Matroska, "00:00:02.500000000"
        parts = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text)
        if parts:
            return int(parts[1]) * 3600.0 + int(parts[2]) * 60 + float(parts[3])
    # A film may go on after its sound has ended.
    if form in _STATES_LENGTH and len(container.streams) == 1:
        return (container.duration or 0) / 1e6
    return 0.0
