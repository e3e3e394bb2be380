"""Makes the audio files that `audio_files` reads: every format, joined, cut short and damaged.

Needs the program `ffmpeg`; a codec that it cannot write is left out, and counted.
"""

import subprocess
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import numpy as np

RATES = (8_000, 16_000, 22_050, 44_100, 48_000)
# Suffix: codecs that people put there, as ffmpeg calls them.
FORMATS: dict[str, tuple[str, ...]] = {
    "wav": ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_s64le", "pcm_f32le", "pcm_f64le"),
    "WAV": (
        "pcm_alaw",
        "pcm_mulaw",
        "adpcm_ima_wav",
        "adpcm_ms",
        "libmp3lame",
        "g722",
        "libgsm_ms",
    ),
    "rf64": ("pcm_s16le", "pcm_f32le"),
    "w64": ("pcm_s16le", "pcm_f32le", "adpcm_ms"),
    "aiff": ("pcm_s16be", "pcm_s24be", "pcm_s8"),
    "aifc": ("pcm_s16le", "pcm_f32be", "pcm_f64be", "pcm_alaw", "pcm_mulaw", "adpcm_ima_qt"),
    "caf": ("pcm_s16le", "pcm_s24be", "pcm_f32le", "alac", "adpcm_ima_qt", "libopus", "pcm_alaw"),
    "au": ("pcm_s16be", "pcm_f32be", "pcm_mulaw", "pcm_alaw"),
    "flac": ("flac",),
    "ogg": ("libvorbis", "libopus", "flac", "libspeex"),
    "oga": ("libvorbis",),
    "opus": ("libopus",),
    "spx": ("libspeex",),
    "mp3": ("libmp3lame",),
    "mp2": ("mp2",),
    "aac": ("aac",),
    "m4a": ("aac", "alac"),
    "m4b": ("aac",),
    "mp4": ("aac", "alac", "libmp3lame", "libopus", "flac"),
    "3gp": ("aac",),
    "mov": ("pcm_s16le", "aac", "alac", "adpcm_ima_qt", "pcm_mulaw"),
    "mkv": ("pcm_s16le", "aac", "libopus", "libvorbis", "flac", "libmp3lame", "ac3"),
    "mka": ("libvorbis",),
    "webm": ("libopus", "libvorbis"),
    "avi": ("pcm_s16le", "libmp3lame", "ac3"),
    "ts": ("aac", "mp2", "ac3"),
    "mpg": ("mp2",),
    "flv": ("libmp3lame", "aac"),
    "wma": ("wmav1", "wmav2"),
    "ac3": ("ac3",),
    "eac3": ("eac3",),
    "dts": ("dca",),
    "tta": ("tta",),
    "wv": ("wavpack",),
    "amr": ("libopencore_amrnb",),
    "voc": ("pcm_s16le",),
}
MUXERS = {"rf64": "wav", "aifc": "aiff", "m4b": "ipod", "mka": "matroska"}
SEED = 20260801


def speech_like(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Harmonics that glide, in syllables with pauses: codecs treat it as they treat a voice."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 20) if k * 160 < rate / 2.2)
    syllables = np.clip(np.sin(2 * np.pi * 3 * t + rng.uniform(0, 6)), 0, 1)
    return np.asarray(0.2 * voice * syllables + 0.002 * rng.standard_normal(len(t)))


def encode(target: Path, codec: str, samples: np.ndarray, rate: int, *options: str) -> bool:
    """Writes `(samples, channels)` by ffmpeg; whether it can."""
    muxer = MUXERS.get(target.suffix[1:])
    command = ["ffmpeg", "-y", "-v", "error", "-f", "f32le", "-ar", str(rate)]
    command += ["-ac", str(samples.shape[1]), "-i", "-", "-c:a", codec, "-strict", "-2"]
    command += ["-rf64", "always"] if target.suffix == ".rf64" else []
    command += ["-f", muxer] if muxer else []
    done = subprocess.run(
        [*command, *options, str(target)],
        input=samples.astype("<f4").tobytes(),
        capture_output=True,
    )
    if done.returncode or not target.exists() or not target.stat().st_size:
        target.unlink(missing_ok=True)
        return False
    return True


def make(folder: Path) -> dict[str, int]:
    """Fills a folder: `whole/`, `joined/`, `cut/` and `damaged/`.

    Returns:
        How many files each has, and how many ffmpeg could not write.
    """
    folders = [folder / kind for kind in ("whole", "joined", "cut", "damaged")]
    for place in folders:
        place.mkdir(parents=True, exist_ok=True)
    failed = sum(not ok for ok in _whole(folders[0]))
    _joined(folders[0], folders[1])
    rng = np.random.default_rng(SEED)
    for file in sorted(folders[0].iterdir()):
        if "_16000_1" not in file.name and "_48000_2" not in file.name:
            continue
        data = file.read_bytes()
        for share in (0.3, 0.8):
            cut = folders[2] / f"{file.stem}_{share:.0%}{file.suffix}"
            cut.write_bytes(data[: int(share * len(data))])
        for n in range(2):
            broken = bytearray(data)
            for at in rng.integers(0, len(data), 1 + len(data) // 4000):
                broken[at] = rng.integers(256)
            (folders[3] / f"{file.stem}_{n}{file.suffix}").write_bytes(broken)
    return {place.name: len(list(place.iterdir())) for place in folders} | {"not_written": failed}


def _whole(folder: Path) -> Iterator[bool]:
    for suffix, codecs in FORMATS.items():
        for codec, (rate, channels) in product(codecs, ((16_000, 1), (48_000, 2))):
            mono = speech_like(2.5, rate)[:, None]
            samples = np.hstack([mono, 0.5 * mono])[:, :channels]
            yield encode(folder / f"{codec}_{rate}_{channels}.{suffix}", codec, samples, rate)
    for rate, (suffix, codec) in product(RATES, (("wav", "pcm_s16le"), ("flac", "flac"))):
        for channels in (1, 6):
            samples = np.tile(speech_like(2.5, rate)[:, None], (1, channels))
            yield encode(folder / f"{codec}_{rate}_{channels}.{suffix}", codec, samples, rate)


def _joined(whole: Path, folder: Path) -> None:
    """Files one behind the other, of the same kind and of another rate and layout."""
    for suffix in ("wav", "w64", "aiff", "caf", "au", "flac", "ogg", "mp3", "aac", "m4a", "webm"):
        files = sorted(whole.glob(f"*.{suffix}"))[:8]
        for first, second in pairwise(files):
            name = f"{first.stem}+{second.stem}.{suffix}"
            (folder / name).write_bytes(first.read_bytes() + second.read_bytes())
