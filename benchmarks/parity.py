"""Scores of converted full-size heads against the public loop, through both ways in.

    python benchmarks/parity.py

Two folders of public-format pickles with random weights (three full Small heads and a pooled one;
two Large heads; some behind `_orig_mod.`) are converted with `emonet-voice convert --heads`. The
same clips are then scored by the loop, by the installed package, and by `trust_remote_code=True`
in a process that cannot import the package. Needs 6 GB of disk and 5 GB of memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
SETS = {
    "small": ["Anger", "Jealousy_&_Envy", "Hope_Enthusiasm_Optimism", "score_speech_quality"],
    "large": ["Anger", "Submissive_vs._Dominant"],
}
REMOTE = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'modeling_empathic':
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
import numpy as np, torch
from transformers import AutoFeatureExtractor, AutoModel
folder, clips, out = sys.argv[1:]
extractor = AutoFeatureExtractor.from_pretrained(folder)
inputs = extractor(list(np.load(clips)), sampling_rate=16000, return_tensors='pt')
with torch.inference_mode():
    model = AutoModel.from_pretrained(folder, trust_remote_code=True)
    assert type(model).__module__.startswith('transformers_modules')
    np.save(out, model(**inputs).logits.numpy())
"""


def measure(size: str, stems: list[str], work: Path) -> dict[str, Any]:
    """Largest difference from the loop in float32, for the package and for remote code."""
    import numpy as np
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    from benchmarks.public_release import load_public_head, write_release, write_whisper
    from benchmarks.score_vs_loop import drift_clips
    from modeling_empathic import EmpathicInsightModel

    clips = drift_clips(None)[:4]
    np.save(work / "clips.npy", clips)
    write_whisper(work / "whisper")
    write_release(work / size, stems, size, pooled=("score_speech_quality",))
    out = work / f"converted-{size}"
    command = [sys.executable, "-m", "emonet_voice.cli.app", "convert", str(work / size), str(out)]
    command += ["--encoder", str(work / "whisper"), "--heads", ",".join(stems)]
    subprocess.run(command, check=True, cwd=HERE.parent)

    extractor = WhisperFeatureExtractor.from_pretrained(out)
    inputs = extractor(list(clips), sampling_rate=16_000, return_tensors="pt")
    loop = np.zeros((len(clips), len(stems)))
    with torch.inference_mode():
        encoder = WhisperForConditionalGeneration.from_pretrained(work / "whisper").get_encoder()
        states = encoder(inputs.input_features).last_hidden_state
        for j, stem in enumerate(stems):
            head = load_public_head(work / size / f"model_{stem}_best.pth", size)
            for i in range(len(states)):
                loop[i, j] = head(states[i : i + 1]).item()
        del head, encoder
        model = EmpathicInsightModel.from_pretrained(out)
        package = model(**inputs).logits.numpy()
        del model
    remote = work / f"remote-{size}.npy"
    command = [sys.executable, "-P", "-c", REMOTE, str(out), str(work / "clips.npy"), str(remote)]
    subprocess.run(command, check=True, cwd=work)
    return {
        "heads": f"{len(stems)} {size}: {', '.join(stems)}",
        "spread": float(loop.std(0).min()),
        "package": float(np.abs(package - loop).max()),
        "remote": float(np.abs(np.load(remote) - loop).max()),
    }


def main() -> None:
    """Command line of `parity.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    from benchmarks.report import machine, write_report

    rows = []
    for size, stems in SETS.items():
        with tempfile.TemporaryDirectory(prefix="emonet-voice-parity-") as work:
            rows.append(measure(size, stems, Path(work)))
            print(json.dumps(rows[-1]), file=sys.stderr)
    write_report({"machine": machine(), "rows": rows}, HERE / "results" / "parity.json")
    if max(max(row["package"], row["remote"]) for row in rows) > 1e-4:
        sys.exit("differences above 1e-4")


if __name__ == "__main__":
    main()
