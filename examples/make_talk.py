"""Joins example clips to a talk of two, with who speaks when as RTTM, as a diariser writes it.

python examples/make_talk.py
"""

from pathlib import Path

import numpy as np
import soundfile

HERE = Path(__file__).parent
TURNS = (("anna", "de_neutral"), ("ben", "de_anger"), ("anna", "es_sadness"), ("ben", "fr_relief"))
PAUSE_S = 0.4


def main() -> None:
    """Writes `talk.flac` and `talk.rttm` beside this file."""
    parts, lines, at_s = [], [], 0.0
    for speaker, name in TURNS:
        samples, rate = soundfile.read(HERE / "clips" / f"{name}.flac", dtype="int16")
        seconds = len(samples) / rate
        lines.append(f"SPEAKER talk 1 {at_s:.3f} {seconds:.3f} <NA> <NA> {speaker} <NA> <NA>\n")
        parts += [samples, np.zeros(round(PAUSE_S * rate), np.int16)]
        at_s += (len(samples) + len(parts[-1])) / rate
    soundfile.write(HERE / "talk.flac", np.concatenate(parts[:-1]), rate)
    (HERE / "talk.rttm").write_text("".join(lines))


if __name__ == "__main__":
    main()
