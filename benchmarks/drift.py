"""How far half-precision scores are from float32, on trained weights and real recordings.

python benchmarks/drift.py --clips path/to/emodb [--model FOLDER_OR_ID]
"""

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", required=True, help="folder of recordings")
    parser.add_argument("--model", help="default: the embedded Nano")
    arguments = parser.parse_args()
    import numpy as np
    from scipy.stats import spearmanr

    from benchmarks.report import machine, write_report
    from modeling_empathic.cli import run
    from modeling_empathic.score_file import read_provenance, read_scores

    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("float32", "bfloat16", "float16"):
            output = Path(folder, f"{dtype}.parquet")
            command = ["score", arguments.clips, "--dtype", dtype, "--output", str(output), "-q"]
            if run([*command, *(["--model", arguments.model] if arguments.model else [])]):
                sys.exit(f"scoring in {dtype} failed")
            provenance = read_provenance(output)
            table = read_scores(output).select(provenance["heads"]).to_pandas()
            scores[dtype] = table.to_numpy(np.float64)
    exact = scores.pop("float32")
    rows = []
    for dtype, approximate in scores.items():
        ranks = [spearmanr(exact[:, i], approximate[:, i]).statistic for i in range(exact.shape[1])]
        rows.append(
            {
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
    results = {
        "machine": machine(),
        "model": provenance["model"],
        "clips": len(exact),
        "heads": exact.shape[1],
        "rows": rows,
    }
    write_report(results, HERE / "results" / "drift.json")


if __name__ == "__main__":
    main()
