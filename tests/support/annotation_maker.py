"""A batch, raters and an answer for tests of the annotation Space; its modules can be imported."""

import sys
from pathlib import Path

import numpy as np
import soundfile

from modeling_empathic.taxonomy import BENCH_NAMES
from tests.support.places import REPOSITORY

SPACE = REPOSITORY / "spaces" / "emotion_annotation"
sys.path.append(str(SPACE))

from rater_list import sha256  # noqa: E402

HEARD = {"plays": 2, "heard_s": 1.5, "answer_s": 4.25, "flags": ["music"], "comment": "=1+1"}
SCRIPT = "<script>alert(1)</script>"
CODES = {"human-1": "f", "human-2": "m", SCRIPT: "f", "..": "m", "lab": ""}
RATERS = "name,gender,hub_user,code_sha256\n" + "".join(
    f"{name},{gender},,{sha256(name)}\n" for name, gender in CODES.items()
)


def write_batch(folder: Path, n: int = 4, texts: str = "language") -> Path:
    """A batch of tones, one emotion each."""
    lines = [f"clip,emotion,{texts}"]
    for number in range(n):
        tone = np.sin(np.arange(8_000) * (0.1 + 0.01 * number)) * 0.3
        soundfile.write(folder / f"tone_{number}.wav", tone, 16_000)
        emotion = BENCH_NAMES[number % len(BENCH_NAMES)]
        lines.append(f"tone_{number}.wav,{emotion},=HYPERLINK(1)")
    (folder / "batch.csv").write_text("\n".join(lines) + "\n")
    return folder / "batch.csv"
