"""The channels of a recording, one waveform each: two people on the two sides of a call."""

import os
from pathlib import Path

import numpy as np

from modeling_empathic.audio import MAX_CHANNELS, SAMPLE_RATE, AudioError, load_audio

# FFmpeg's formats that hold their own sound; playlists would open other files and URLs.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,wav,w64,flac,aiff,caf,au,asf,amr,ac3,avi,"
    "flv,mpegts"
)


def load_channels(
    path: str | os.PathLike[str], max_duration_s: float | None = None
) -> list[np.ndarray | AudioError]:
    """Reads each channel as the waveform that Whisper expects, or why it cannot be scored.

    What `load_audio` refuses of the file as a whole (damaged, cut short, too long) is refused here
    too, unless only the sum of the channels is silent.

    Args:
        path: Of the recording.
        max_duration_s: The longest to accept, in seconds.

    Returns:
        For each channel `(samples,)`, float32 at 16 kHz, or the error of that channel alone, such
        as the silent side of a call. One of a mono recording.

    Raises:
        AudioError: The file cannot be scored.
    """
    refused, frames, rate = None, None, SAMPLE_RATE
    try:
        mixed = load_audio(path, max_duration_s=max_duration_s)
    except AudioError as error:
        refused = error
    # Sides that are each other's opposite are silent together and sound apart.
    reason = str(refused or "").removeprefix(f"{path}: ")
    if refused is None or "silence" in reason or "cancel" in reason:
        frames, rate = _decode(Path(path))
    if frames is None or (refused and not frames.any()):
        raise refused or AudioError(f"{path}: its channels cannot be told apart")
    if len(frames) == 1:
        return [mixed]
    if len(frames) > MAX_CHANNELS:
        raise AudioError(f"{path}: {len(frames)} channels; at most {MAX_CHANNELS} are read")
    channels: list[np.ndarray | AudioError] = []
    for number, samples in enumerate(frames, 1):
        try:
            channels.append(load_audio(samples, rate, name=f"channel {number}"))
        except AudioError as error:
            channels.append(error)
    return channels


def _decode(path: Path) -> tuple[np.ndarray | None, int]:
    """All channels `(channels, samples)` as FFmpeg decodes them, and their rate in Hz."""
    import av

    blocks, rate = [], SAMPLE_RATE
    try:
        with av.open(
            str(path), "r", options={"format_whitelist": _FORMATS}, metadata_errors="ignore"
        ) as container:
            # One layout for packed and planar samples of any type: floats, a row a channel.
            plane = av.AudioResampler(format="fltp")
            for frame in container.decode(container.streams.audio[0]):
                rate = frame.sample_rate
                blocks += [part.to_ndarray() for part in plane.resample(frame)]
    except (av.FFmpegError, IndexError):
        return None, rate
    try:
        return np.concatenate(blocks, axis=1), rate
    except ValueError:  # nothing, or another number of channels midway
        return None, rate
