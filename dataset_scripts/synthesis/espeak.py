"""An offline voice: eSpeak NG through its Python wheel, no program to install.

The wheel `espeakng-loader` (extra `generate`) brings the C library and its data; this module calls
`espeak-ng/speak_lib.h` through ctypes.  It is a formant synthesiser: intelligible, in about a
hundred languages, free of any recorded person, and plainly artificial.
"""

from __future__ import annotations

import _ctypes
import ctypes
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np

from modeling_empathic.taxonomy import UserError

# Numbers from espeak-ng/speak_lib.h (1.52).
_SYNCHRONOUS, _DONT_EXIT, _CHARS_UTF8, _BY_CHARACTER = 2, 0x8000, 1, 1
_RATE, _VOLUME, _PITCH, _RANGE, _WORD_GAP = 1, 2, 3, 4, 7
_LIMITS = {
    "pitch": (0, 99),
    "pitch_range": (0, 99),
    "rate_wpm": (80, 450),
    "volume": (0, 200),
    "word_gap": (0, 100),
}
_MAX_DATA_PATH = 159  # the library keeps its data path in a buffer of 160 bytes
_UNKNOWN = "unknown voice {!r:.60}; try 'de', 'en', 'es', 'fr', 'en+f3'"
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{1,32}")
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
_lock = threading.Lock()  # the library is one global synthesiser


class EspeakError(UserError):
    """What cannot be spoken, or a synthesiser that is missing or does not work."""


class UnspeakableError(EspeakError):
    """A text or a voice that no other try will give sound for."""


def _unload(library: ctypes.CDLL) -> None:
    name = "dlclose" if hasattr(_ctypes, "dlclose") else "FreeLibrary"  # POSIX, Windows
    getattr(_ctypes, name)(library._handle)


def _espeak_data() -> tuple[str, str]:
    """Paths of the library and of its data folder."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise EspeakError(
            "espeakng-loader is not installed: pip install 'emonet-voice[generate]'"
        ) from error
    data = espeakng_loader.get_data_path()
    if len(data.encode()) > _MAX_DATA_PATH:
        raise EspeakError(f"path of the voice data is over {_MAX_DATA_PATH} bytes: {data}")
    return espeakng_loader.get_library_path(), data


def variants() -> list[str]:
    """Names that may follow `+` in a voice, such as `f3`, `m2` or `whisper`.

    Example:
        >>> {"f1", "m1", "whisper"} <= set(variants())
        True
    """
    return sorted(path.name for path in Path(_espeak_data()[1], "voices", "!v").iterdir())


def speak(
    text: str,
    voice: str = "de+f3",
    pitch: int = 50,
    pitch_range: int = 50,
    rate_wpm: int = 175,
    volume: int = 100,
    word_gap: int = 0,
) -> tuple[np.ndarray, int]:
    """Speak `text`; the same arguments always give the same samples.

    Args:
        text: what to say.
        voice: eSpeak language, or language+variant (see `variants`).
        pitch: base pitch, 0-99 (50 is the voice's own).
        pitch_range: pitch movement, 0-99 (0 is monotone, 50 is the voice's own).
        rate_wpm: words a minute, 80-450.
        volume: loudness, 0-200 (100 is normal, above it may clip).
        word_gap: extra pause between words, 0-100, in steps of 10 ms at the default rate.

    Returns:
        Mono float32 samples in [-1, 1) and the sampling rate in hertz (22,050).

    Raises:
        EspeakError: empty text, unknown voice, a number outside its limits, or a library that is
            absent or failed.

    Example:
        >>> audio, sampling_rate = speak("Good morning.", voice="en+m3")
        >>> audio.dtype, sampling_rate
        (dtype('float32'), 22050)
    """
    if not text.strip():
        raise UnspeakableError("text is empty: nothing to speak")
    settings = {
        "pitch": pitch,
        "pitch_range": pitch_range,
        "rate_wpm": rate_wpm,
        "volume": volume,
        "word_gap": word_gap,
    }
    for name, value in settings.items():
        low, high = _LIMITS[name]
        if not low <= value <= high:
            raise EspeakError(f"{name}={value} is outside {low}..{high}")
    language, _, variant = voice.partition("+")
    if not _LANGUAGE.fullmatch(language):  # the library would take a path, or what stands before \0
        raise UnspeakableError(_UNKNOWN.format(voice))
    if variant and variant not in variants():  # the library would fall back without a word
        raise UnspeakableError(
            f"unknown variant {variant!r} in {voice!r}; valid: {', '.join(variants())}"
        )

    library_path, data_path = _espeak_data()
    chunks: list[np.ndarray] = []

    def collect(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _CALLBACK(collect)  # kept by a name: the library does not
    # The synthesiser keeps oscillator and flutter state in static variables that not even
    # espeak_Terminate resets, so a second call would sound slightly different.  A freshly loaded
    # library (about 7 ms) is what makes speech reproducible.
    with _lock:
        library = ctypes.CDLL(library_path)
        try:
            sampling_rate = library.espeak_Initialize(
                _SYNCHRONOUS, 0, data_path.encode(), _DONT_EXIT
            )
            if sampling_rate <= 0:
                raise EspeakError(f"eSpeak NG could not start with data from {data_path}")
            library.espeak_ng_SetRandSeed(1)  # breathy voices use noise, seeded by the clock
            library.espeak_SetSynthCallback(callback)
            if library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise UnspeakableError(_UNKNOWN.format(voice))
            for parameter, value in (  # after the voice, which sets its own
                (_RATE, rate_wpm),
                (_VOLUME, volume),
                (_PITCH, pitch),
                (_RANGE, pitch_range),
                (_WORD_GAP, word_gap),
            ):
                library.espeak_SetParameter(parameter, int(value), 0)
            data = text.encode() + b"\0"
            failed = library.espeak_Synth(
                data, len(data), 0, _BY_CHARACTER, 0, _CHARS_UTF8, None, None
            )
            library.espeak_Synchronize()
            library.espeak_Terminate()
        finally:
            _unload(library)
    if failed or not chunks:
        raise UnspeakableError(f"eSpeak NG said nothing for {text[:40]!r} with voice {voice!r}")
    return np.concatenate(chunks).astype(np.float32) / 32768.0, int(sampling_rate)
