"""Make the example clips in `examples/clips/`: a few acted sentences, the same on every machine.

python examples/make_clips.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import soundfile

from dataset_scripts.synthesis.acted import SENTENCES, act

# language, espeak variant, emotion, intensity 0-4, which sentence
CLIPS = (
    ("en", "f2", "Elation", 4.0, 0),
    ("en", "m3", "Doubt", 3.0, 4),
    ("de", "m1", "Anger", 4.0, 1),
    ("de", "f3", "Concentration", 0.0, 5),
    ("es", "f1", "Sadness", 4.0, 2),
    ("es", "m2", "Amusement", 4.0, 6),
    ("fr", "m4", "Fear", 4.0, 3),
    ("fr", "f4", "Relief", 3.0, 7),
)
README = """# Example clips

{rows}

Made by this project: sentences of our own, spoken by espeak-ng (a formant synthesiser) and acted
by the prosody rules of `dataset_scripts/synthesis/acted.py`. Nobody's voice is in them, and no
human expresses emotion like this: they are for trying commands, not for measuring anything.

Licence: CC0-1.0 or, if you prefer, Apache-2.0. Rebuild: `python examples/make_clips.py`.
"""


def make_clips(folder: Path) -> list[Path]:
    """Write all clips as 16-bit mono FLAC at 22,050 Hz, and their README; returns the clips."""
    folder.mkdir(parents=True, exist_ok=True)
    paths, rows = (
        [],
        ["| file | language | acted | intensity (0-4) | words |", "|---|---|---|---|---|"],
    )
    for seed, (language, variant, emotion, intensity, sentence) in enumerate(CLIPS):
        clip = act(SENTENCES[language][sentence], language, variant, emotion, intensity, seed)
        acted = emotion if intensity else "neutral"
        path = folder / f"{language}_{acted.lower()}.flac"
        soundfile.write(path, clip.audio, clip.sampling_rate, subtype="PCM_16")
        rows.append(f"| `{path.name}` | {language} | {acted} | {intensity:g} | {clip.text} |")
        paths.append(path)
    (folder / "README.md").write_text(README.format(rows="\n".join(rows)), encoding="utf-8")
    return paths


def main() -> None:
    """Command line of `make_clips.py`."""
    parser = argparse.ArgumentParser(
        description="Make the acted example clips.",
        epilog="example: python examples/make_clips.py --output /tmp/clips",
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "clips")
    paths = make_clips(parser.parse_args().output)
    total_kb = sum(path.stat().st_size for path in paths) / 1000
    print(f"wrote {len(paths)} clips, {total_kb:.0f} kB")


if __name__ == "__main__":
    main()
