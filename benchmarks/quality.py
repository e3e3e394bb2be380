"""What the column `quality` says of made sounds and of real clips.

Twenty kinds of sound that is not to be trusted, made from examples and synthesis, each in three
lengths or strengths, and every clip of EmoDB and nEMO, of which none should be flagged.

Example: `python -m benchmarks.quality`
"""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "data"
RESULT = HERE / "results" / "quality.json"
EXAMPLE = HERE.parent / "examples" / "clips" / "en_doubt.flac"
RATE = 16_000
INSTRUMENTS = {  # decay a second, and how the partials fall off
    "organ": (0.0, 1.0),
    "piano": (2.5, 1.3),
    "pluck": (6.0, 1.0),
    "flute": (0.0, 4.0),
}


def note(hertz: float, seconds: float, instrument: str) -> np.ndarray:
    """A tone with partials, `(samples,)`."""
    decay, fall = INSTRUMENTS[instrument]
    t = np.arange(int(seconds * RATE)) / RATE
    shape = np.clip(t / 0.01, 0, 1) * np.clip((seconds - t) / 0.03, 0, 1) * np.exp(-decay * t)
    partials = (np.sin(2 * np.pi * k * hertz * t + k * k) / k**fall for k in range(1, 10))
    return np.asarray(shape * sum(partials))


def played(steps: list[list[int]], beat_s: float, seconds: float, instrument: str) -> np.ndarray:
    """Chords, or single notes, of half tones above A3, one a beat, again and again."""
    n_beats = int(seconds / beat_s)
    beats = [steps[i % len(steps)] for i in range(n_beats)]
    sounds = [[note(220 * 2 ** (s / 12), beat_s, instrument) for s in beat] for beat in beats]
    return np.asarray(np.concatenate([np.sum(beat, axis=0) for beat in sounds]))


Case = tuple[str, list[Any]]
CHORDS = [[0, 4, 7], [9, 12, 16], [5, 9, 12], [7, 11, 14]]
NOISE = (0.1, 0.3, 0.8)
MELODY = [[0], [4], [7], [12], [11], [7], [5], [2]]


def _music(steps: list[list[int]], beat_s: float, instrument: str) -> np.ndarray:
    return levelled(played(steps, beat_s, 8, instrument))


def drums(beat_s: float, seconds: float) -> np.ndarray:
    """Kick, hat, snare, hat."""
    rng = np.random.default_rng(0)
    out = np.zeros(int((seconds + 1) * RATE))
    t = np.arange(RATE // 4) / RATE
    kick = np.sin(2 * np.pi * (50 + 80 * np.exp(-30 * t)) * t) * np.exp(-18 * t)
    for i in range(int(2 * seconds / beat_s)):
        noise = rng.standard_normal(len(t))
        hit = (kick, 0.3 * noise * np.exp(-60 * t), noise * np.exp(-22 * t))[(0, 1, 2, 1)[i % 4]]
        out[int(i * beat_s / 2 * RATE) :][: len(t)] += hit
    return out[: int(seconds * RATE)]


def levelled(samples: np.ndarray, peak: float = 0.3) -> np.ndarray:
    """float32 with this peak."""
    return np.asarray(peak * samples / np.abs(samples).max(), np.float32)


def noise(seconds: float) -> np.ndarray:
    """White, as loud as one."""
    return np.random.default_rng(1).standard_normal(int(seconds * RATE))


def noisy_chords(share: float) -> np.ndarray:
    """Chords of an organ with noise of a share of their level."""
    chords = played(CHORDS, 0.5, 8, "organ")
    return levelled(chords / chords.std() + share * noise(8)[: len(chords)])


def cases(speech: np.ndarray) -> dict[str, Case]:
    """Name -> the word that is to be said, and three makers.

    Args:
        speech: A clip at 16 kHz of two seconds and more.
    """
    middle = len(speech) // 2
    loud = levelled(speech, 1.0)

    def steady(part: np.ndarray) -> np.ndarray:
        return levelled(part)

    music: dict[str, Case] = {
        f"{kind}, {instrument}": (
            "not like speech",
            [partial(_music, steps, beat, instrument) for beat in (0.3, 0.5, 1.0)],
        )
        for kind, steps in (("chords", CHORDS), ("melody", MELODY))
        for instrument in INSTRUMENTS
    }
    spoilt: dict[str, Case] = {
        "chords with noise": ("not like speech", [partial(noisy_chords, s) for s in NOISE]),
        "drums": ("not like speech", [lambda b=b: levelled(drums(b, 8)) for b in (0.3, 0.5, 1.0)]),
        "white noise": ("not like speech", [lambda s=s: steady(noise(s)) for s in (1, 3, 20)]),
        "one-bit noise": (
            "not like speech",
            [lambda a=a: (a * np.sign(noise(3))).astype(np.float32) for a in (0.1, 0.5, 1.0)],
        ),
        "mains hum": (
            "not like speech",
            [
                lambda f=f: steady(sum(np.sin(k * f * np.arange(48_000)) for k in (1, 2, 3)))
                for f in (0.0196, 0.0236, 0.0393)
            ],
        ),
        "speech of 0.2 s": (
            "too short",
            [lambda at=at: speech[middle + at :][:3_200] for at in (-1_600, 0, 1_600)],
        ),
        "gain of 0.001": ("too quiet", [lambda g=g: loud * g for g in (0.001, 0.0005, 0.0001)]),
        "the last bit": (
            "too quiet",
            [lambda n=n: (np.sign(noise(3)) * n / 32_768).astype(np.float32) for n in (1, 2, 4)],
        ),
        "DC offset": ("DC offset", [lambda d=d: speech + np.float32(d) for d in (0.1, 0.3, -0.3)]),
        "clipped": ("clipped", [lambda g=g: np.clip(g * loud, -1, 1) for g in (4, 10, 50)]),
        "clipped, then made quieter": (
            "clipped",
            [lambda g=g: g * np.clip(4 * loud, -1, 1) for g in (0.8, 0.5, 0.05)],
        ),
        "beyond full scale": ("beyond full scale", [lambda g=g: g * loud for g in (3, 5, 9)]),
        "mostly silence": (
            "mostly silence",
            [lambda n=n: _far_apart(speech, n) for n in (20, 40, 60)],
        ),
    }
    return music | spoilt


def _far_apart(speech: np.ndarray, n: int) -> np.ndarray:
    """Two words with a long silence between them."""
    return np.concatenate([speech[:16_000], np.zeros(n * RATE, np.float32), speech[:8_000]])


def table(results: dict[str, Any]) -> str:
    """For the README."""
    from benchmarks.report import describe

    lines = [describe(results["machine"]), "", "| sound | said | of 3 |", "|---|---|---:|"]
    made = results["made"]
    lines += [f"| {name} | {row['word']} | {row['found']} |" for name, row in made.items()]
    found, tried = sum(row["found"] for row in made.values()), 3 * len(made)
    lines += ["", f"Made sounds that get their word: {found} of {tried}. Real clips with any word:"]
    for corpus, row in results["real"].items():
        share = len(row["flagged"]) / max(row["clips"], 1)
        lines.append(f"{len(row['flagged'])} of {row['clips']} of {corpus} ({share:.1%}).")
    return "\n".join(lines)


def main() -> None:
    """Judges everything, prints what is missed, writes the result."""
    from benchmarks.report import machine, write_report
    from modeling_empathic.audio import load_audio, read_audio
    from modeling_empathic.quality_empathic import judge

    def said_of(source: Any) -> str:
        sound = read_audio(source)
        return judge(sound.samples, sound.notes)

    result: dict[str, Any] = {"machine": machine(), "made": {}, "real": {}}
    for name, (word, makers) in cases(load_audio(EXAMPLE)).items():
        said = [said_of(make()) for make in makers]
        result["made"][name] = {"word": word, "said": said, "found": sum(word in s for s in said)}
        print(f"{name:24} {word:18} {said}")
    for corpus in ("emodb", "nemo"):
        files = sorted((SHARED / corpus).glob("*.flac"))
        flagged = {file.name: text for file in files if (text := said_of(file))}
        words = Counter(word for said in flagged.values() for word in said.split(", "))
        result["real"][corpus] = {"clips": len(files), "flagged": flagged, "words": dict(words)}
        print(f"{corpus}: {len(flagged)} of {len(files)} flagged: {dict(words)}")
    write_report(result, RESULT)


if __name__ == "__main__":
    main()
