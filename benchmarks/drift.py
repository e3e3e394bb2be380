"""How far half-precision scores are from float32, on trained weights and real recordings.

python benchmarks/drift.py --clips path/to/emodb                  # Nano
python benchmarks/trained_heads.py OUT --whisper ... --emodb path/to/emodb
python benchmarks/drift.py --clips path/to/emodb --model OUT      # full heads
"""

import argparse
import json
import sys
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
RUNS = [  # the first is what the others are held against
    ("cpu", "float32"),
    ("openvino", "float32"),
    ("cpu", "bfloat16"),
    ("openvino", "bfloat16"),
    ("cpu", "mixed"),
    ("cpu", "float16"),
]


def main() -> None:
    """Command line of `drift.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", required=True, help="folder of recordings")
    parser.add_argument("--model", help="default: the embedded Nano")
    parser.add_argument("--every", type=int, default=1, help="only every n-th recording")
    arguments = parser.parse_args()
    import numpy as np
    from scipy.stats import spearmanr

    from benchmarks.report import machine, write_report
    from emonet_voice.cli.app import run
    from modeling_empathic.scoring.file import read_provenance, read_scores

    recordings = sorted(map(str, Path(arguments.clips).glob("*.*")))
    recordings = [name for name in recordings if name.endswith((".wav", ".flac"))]
    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        for device, dtype in RUNS:
            output = Path(folder, f"{device}-{dtype}.parquet")
            command = ["score", *recordings[:: arguments.every]]
            command += ["--device", device, "--dtype", dtype]
            command += ["--output", str(output), "-q"]
            if run([*command, *(["--model", arguments.model] if arguments.model else [])]):
                sys.exit(f"scoring in {dtype} failed")
            provenance = read_provenance(output)
            table = read_scores(output).select(provenance["heads"]).to_pandas()
            scores[device, dtype] = table.to_numpy(np.float64)
    exact = scores.pop(RUNS[0])
    if arguments.model:
        computed = parts(arguments.model, recordings[:: arguments.every])
        assert np.abs(computed.pop("float32") - exact).max() < 1e-3, "the command scores otherwise"
        scores |= {("cpu", name): part for name, part in computed.items()}
    rows = []
    for (device, dtype), approximate in scores.items():
        ranks = [spearmanr(exact[:, i], approximate[:, i]).statistic for i in range(exact.shape[1])]
        rows.append(
            {
                "device": device,
                "dtype": dtype,
                "spearman_min": float(np.min(ranks)),
                "spearman_median": float(np.median(ranks)),
                "below_0_999": [
                    name
                    for name, rank in zip(provenance["heads"], ranks, strict=True)
                    if rank < 0.999
                ],
                "max_error": float(np.abs(exact - approximate).max()),
                "mean_error": float(np.abs(exact - approximate).mean()),
            }
        )
    name = provenance["model"]
    trained = Path(arguments.model or "", "trained.json")
    if arguments.model and trained.exists():
        how = json.loads(trained.read_text())
        name = (
            f"{exact.shape[1]} full heads of trained_heads.py (top-1 {how['top_1']:.3f} on "
            f"{how['held_out_clips']} clips of unheard speakers, floor {how['floor']:.3f})"
        )
    results = {
        "machine": machine(),
        "model": name,
        "clips": len(exact),
        "heads": exact.shape[1],
        "rows": rows,
    }
    kind = "trained" if arguments.model else "nano"
    write_report(results, HERE / "results" / f"drift-{kind}.json")


def parts(folder: str, recordings: list[str]) -> dict[str, Any]:
    """Scores of full heads where only a part is in half precision: which part costs agreement."""
    import numpy as np
    import torch
    from transformers import WhisperFeatureExtractor

    from modeling_empathic import EmpathicInsightModel, load_audio

    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    whole = EmpathicInsightModel.from_pretrained(folder, dtype=torch.float32)
    half = EmpathicInsightModel.from_pretrained(folder, dtype=torch.bfloat16)
    stored = deepcopy(half.encoder).float()
    rounded = deepcopy(whole.encoder)  # the least that a bfloat16 unit does to what it multiplies
    for layer in rounded.modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv1d):
            layer.weight.data = layer.weight.data.bfloat16().float()
            layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].bfloat16().float(),))
    by_part: dict[str, list[Any]] = {}

    def note(name: str, model: Any, states: Any) -> None:
        scores, _ = model.heads(states.to(model.dtype))
        by_part.setdefault(name, []).append(scores[0].float().numpy())

    with torch.inference_mode():
        for file in recordings:
            made = extractor([load_audio(file)], sampling_rate=16_000, return_tensors="pt")
            mel = made.input_features
            exact = whole.encoder(mel).last_hidden_state
            note("float32", whole, exact)
            note("heads bfloat16", half, exact)
            note("encoder bfloat16", whole, half.encoder(mel.bfloat16()).last_hidden_state)
            with torch.autocast("cpu", torch.bfloat16):
                states = whole.encoder(mel).last_hidden_state
            note("encoder bfloat16, sums float32", whole, states)
            name = "encoder float32, from weights stored in bfloat16"
            note(name, whole, stored(mel).last_hidden_state)
            name = "encoder float32, what it multiplies rounded to bfloat16"
            note(name, whole, rounded(mel).last_hidden_state)
    return {name: np.array(rows, np.float64) for name, rows in by_part.items()}


if __name__ == "__main__":
    main()
