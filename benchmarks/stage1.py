"""Stage 1 on real Whisper weights: captions learned from acted clips, read back on unseen ones.

python benchmarks/stage1.py --whisper path/to/whisper-base --work folder

What lies in the folder is used: a run that was stopped goes on, one that ended is measured again.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

# The emotion that each class of acted corpora is named after: 40 would need thousands of clips.
EMOTIONS = ("Anger", "Emotional Numbness", "Disgust", "Fear", "Elation", "Concentration",
            "Sadness", "Astonishment/Surprise")  # fmt: skip


def main() -> None:
    """Command line of `stage1.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--whisper", type=Path, required=True, help="Whisper with its decoder")
    parser.add_argument("--work", type=Path, required=True, help="folder for the trained encoder")
    parser.add_argument("--clips", type=int, default=60, help="of each emotion, to learn from")
    parser.add_argument("--steps", type=int, default=180)
    arguments = parser.parse_args()
    train(arguments.whisper, arguments.work, arguments.clips, arguments.steps)


def acted(clips: int, split: str) -> Any:
    """Acted clips of `EMOTIONS`; the splits share no voice and no sentence."""
    from dataset_scripts.synthesis.acted_dataset import acted_dataset

    return acted_dataset(clips, split, emotions=EMOTIONS)


def train(whisper: Path, work: Path, clips: int, steps: int) -> None:
    """Runs `emonet-voice train encoder`, as a function."""
    from modeling_empathic.training.encoder import EncoderSettings, train_encoder

    if (work / "encoder").exists():
        return
    settings = EncoderSettings(
        model=str(whisper), window_s=2, steps=steps, batch_size=16, learning_rate=1e-4, bf16=True,
        device="cpu", save_steps=60, eval_clips=48,
    )  # fmt: skip

    def show(step: int, of: int, figures: dict[str, float]) -> None:
        print(json.dumps({"step": step, "of": of, **figures}), file=sys.stderr, flush=True)

    train_encoder(
        acted(clips, "train"), acted(15, "test"), work / "encoder", settings, progress=show
    )


if __name__ == "__main__":
    main()
