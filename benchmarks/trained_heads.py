"""Full heads trained on real speech, to measure drift on: the released ones cannot be had offline.

    python benchmarks/trained_heads.py OUT --whisper path/to/whisper-base --emodb path/to/emodb

One full head for each of seven emotions, after a real Whisper encoder that stays as it is, on the
EmoDB speakers that Nano trains on: the paper's second stage in small (section 3.4). The target is 4
for the acted emotion and 0 for the others; with six zeros of seven its median is 0, hence squared
errors and not the paper's absolute ones. For `drift.py --model OUT` and nothing else.

The first layer, 768,000 weights a unit from 346 clips, is solved and not searched: Adam from a
random start ended at its floor twice. Each unit is the ridge regression of the emotion on a random
half of the clips, in its dual form; the layers above it are trained by gradients.
"""

import argparse
import copy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
# The emotion of Table 11 nearest to each EmoDB class's own name.
ACTED = {"W": "Anger", "A": "Fear", "T": "Sadness", "E": "Disgust", "F": "Elation",
         "L": "Fatigue/Exhaustion", "N": "Contemplation"}  # fmt: skip
HELD_OUT = ("12", "14", "15", "16")
EPOCHS, BATCH, RIDGE = 30, 32, 0.1


def main() -> None:
    """Command line of `trained_heads.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="model folder to write")
    parser.add_argument("--whisper", required=True, help="folder or id of a Whisper checkpoint")
    parser.add_argument("--emodb", type=Path, required=True, help="folder of EmoDB recordings")
    parser.add_argument("--every", type=int, default=1, help="only every n-th recording: a look")
    arguments = parser.parse_args()
    import numpy as np
    import torch
    from transformers import WhisperFeatureExtractor, WhisperModel
    from transformers.utils import logging

    from modeling_empathic import EmpathicInsightConfig, EmpathicInsightModel, load_audio
    from modeling_empathic.report.files import write_json
    from modeling_empathic.scoring.forward import encode_windows
    from modeling_empathic.scoring.openvino import OpenVINOEncoder

    torch.manual_seed(0)
    files = sorted(file for file in arguments.emodb.iterdir() if file.suffix in {".wav", ".flac"})
    files = files[:: arguments.every]
    extractor = WhisperFeatureExtractor.from_pretrained(arguments.whisper)
    # Not WhisperEncoder: a checkpoint of the whole model would leave it random, with a warning.
    encoder = WhisperModel.from_pretrained(arguments.whisper, dtype=torch.float32).encoder
    config = EmpathicInsightConfig(
        encoder_config=encoder.config.to_dict(), heads=[{"name": name} for name in ACTED.values()]
    )
    model = EmpathicInsightModel(config)
    model.encoder = OpenVINOEncoder(copy.deepcopy(encoder))  # a third of the time
    states = []
    for file in logging.tqdm(files, desc="Encoding"):
        heard = extractor(load_audio(file), sampling_rate=16_000, return_tensors="pt")
        states.append(encode_windows(model, heard.input_features)[0])
    labels = torch.tensor([[4.0 * (file.stem[5] == code) for code in ACTED] for file in files])
    train = np.array([i for i, file in enumerate(files) if file.stem[:2] not in HELD_OUT])
    held = [i for i in range(len(files)) if i not in set(train)]
    rng = np.random.default_rng(0)

    first = model.heads["full"].proj
    flat = torch.stack(states).flatten(1)
    weight, bias = ridge_units(flat[train], labels[train], first.out_features // len(ACTED), rng)
    with torch.no_grad():
        first.weight.copy_(weight)
        first.bias.copy_(bias)
    first.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.heads["full"].mlp.parameters(), lr=1e-3)
    model.heads.train()
    for _ in logging.tqdm(range(EPOCHS), desc="Training"):
        for batch in np.array_split(rng.permutation(train), max(1, len(train) // BATCH)):
            inputs = torch.stack([states[i] for i in batch])
            scores = model(encoder_states=inputs).logits
            torch.nn.functional.mse_loss(scores, labels[batch]).backward()
            optimizer.step()
            optimizer.zero_grad()
    model.encoder = encoder
    model.eval()
    with torch.inference_mode():
        scores = torch.cat([model(encoder_states=states[i][None]).logits for i in held])
    top_1 = (scores.argmax(1) == labels[held].argmax(1)).float().mean().item()
    floor = labels[held].mean(0).max().item() / 4
    print(f"top-1 on {len(held)} clips of unheard speakers: {top_1:.3f} (floor {floor:.3f})")
    model.save_pretrained(arguments.out)
    extractor.save_pretrained(arguments.out)
    trained: dict[str, Any] = {
        "top_1": top_1,
        "floor": floor,
        "held_out_clips": len(held),
        "epochs": EPOCHS,
    }
    trained |= {"clips": len(train), "encoder": [encoder.config.encoder_layers, first.in_features]}
    write_json(arguments.out / "trained.json", trained)


def ridge_units(
    flat: "torch.Tensor", labels: "torch.Tensor", n_units: int, rng: "np.random.Generator"
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Rows of the first layer, `(heads * n_units, inputs)`, and its bias.

    Half of them regress the emotion, half its absence, so that a ReLU passes either.
    """
    import torch

    mean = flat.mean(0)
    gram = ((flat - mean) @ (flat - mean).T).double()
    coefficients = torch.zeros(labels.shape[1] * n_units, len(flat), dtype=torch.float64)
    for unit, row in enumerate(coefficients):
        chosen = torch.from_numpy(rng.permutation(len(flat))[: len(flat) // 2])
        target = (labels[chosen, unit // n_units] / 4 - 0.5).double() * (-1) ** unit
        kernel = gram[chosen][:, chosen]
        kernel = kernel + RIDGE * kernel.diagonal().mean() * torch.eye(len(chosen))
        row[chosen] = torch.linalg.solve(kernel, target)
    weight = (coefficients.float() @ flat) - coefficients.sum(1, keepdim=True).float() * mean
    return weight, -(weight @ mean)


if __name__ == "__main__":
    main()
