"""DNSMOS beside a model's heads of quality: do they agree on your clips?

The heads Overall, Speech and Background Quality of Plus were distilled from DNSMOS P.835 (Reddy et
al. 2022). The original is in the package speechmos (MIT; 0.0.1.1 was tried), which names none of
what it imports:

pip install speechmos onnxruntime pandas requests tqdm
emonet-voice score clips/ --model plus --output plus.parquet
python examples/dnsmos.py plus.parquet clips/
"""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from evaluate_metrics.emonet_voice.scores import mae, spearman
from modeling_empathic.audio import SAMPLE_RATE, load_audio
from modeling_empathic.scoring.file import read_scores
from modeling_empathic.taxonomy import UserError

PAIRS = {
    "Overall Quality": "ovrl_mos",
    "Speech Quality": "sig_mos",
    "Background Quality": "bak_mos",
}
"""Head -> what DNSMOS calls the same."""


def measure(path: str | Path) -> dict[str, float]:
    """DNSMOS of a clip, 1 to 5: `ovrl_mos`, `sig_mos`, `bak_mos` and `p808_mos`.

    Raises:
        UserError: speechmos is not installed.
    """
    try:
        dnsmos = import_module("speechmos.dnsmos")
    except ImportError as error:
        raise UserError(
            f"pip install speechmos onnxruntime pandas requests tqdm: {error}"
        ) from None
    samples = np.clip(load_audio(str(path)), -1, 1)
    answer = dnsmos.run(samples, sr=SAMPLE_RATE)
    return {name: float(value) for name, value in answer.items() if name.endswith("mos")}


def compare(table: Any, folder: Path) -> list[tuple[str, float, float, int]]:
    """Head, Spearman's ρ with DNSMOS, mean absolute difference, clips.

    Args:
        table: A score file's rows as a data frame, one a clip.
        folder: From which its paths start.

    Raises:
        UserError: A model without these heads; that of [`measure`].
    """
    heads = [name for name in PAIRS if name in table.columns]
    if not heads:
        raise UserError(f"no head {', '.join(PAIRS)}: score with --model plus")
    table = table[table["outcome"] == "scored"].drop_duplicates("path")
    heard = [measure(folder / path) for path in table["path"]]
    found = []
    for name in heads:
        theirs, ours = [of[PAIRS[name]] for of in heard], table[name].to_numpy()
        found.append((name, spearman(ours, theirs).value, mae(ours, theirs).value, len(heard)))
    return found


def main() -> None:
    """Command line of `dnsmos.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scores", type=Path, help="score file of plus")
    parser.add_argument("folder", type=Path, help="where its paths start")
    arguments = parser.parse_args()
    for name, rho, error, n in compare(read_scores(arguments.scores).to_pandas(), arguments.folder):
        print(f"{name:20} rho {rho:.3f}  MAE {error:.2f} of 1 to 5  {n} clips")


if __name__ == "__main__":
    main()
