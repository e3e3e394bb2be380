"""Whether short clips need 30 seconds: the encoder cut behind the audio, the rest a constant.

    python benchmarks/trained_heads.py OUT --whisper path/to/whisper-base --emodb path/to/emodb
    python benchmarks/short_mode.py --clips path/to/emodb --model OUT

The encoder reads the audio and a margin of padding instead of 1,500 positions; what the heads would
have read of the other positions is a constant of each head and of the place of the cut: the
projection of the mean states there, over the clips that the heads were trained on. Scores of the
other clips are held against exact ones. Speed is of Whisper small and Small heads, random weights.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
LONGEST_S, POSITION_S = 5.0, 0.02
MARGINS = (32, 64, 128, 256, 512)  # positions of padding that the encoder still reads
SPEED_HEADS = 16  # enough to be far beyond every cache; seconds are told for 40


def main() -> None:
    """Command line of `short_mode.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder of EmoDB's recordings")
    parser.add_argument("--model", type=Path, required=True, help="made by trained_heads.py")
    parser.add_argument("--every", type=int, default=1, help="only every n-th recording")
    parser.add_argument("--processor", action="store_true", help="seconds of one thread")
    arguments = parser.parse_args()
    from benchmarks.full_size import take_clock
    from benchmarks.report import machine, write_report

    results = {
        "machine": machine(),
        "clock": take_clock(processor=arguments.processor),
        **drift(arguments.model, arguments.clips, arguments.every),
        "speed": speed(),
    }
    write_report(results, HERE / "results" / "short_mode.json")


def drift(folder: Path, clips: Path, every: int) -> dict[str, Any]:
    """Scores of cut encoders against exact ones, per head and margin."""
    import numpy as np
    import torch
    from scipy.stats import spearmanr

    from benchmarks.trained_heads import HELD_OUT
    from modeling_empathic import load_audio
    from modeling_empathic.scoring.lean import read_config, read_lean

    config = read_config(folder)
    assert config is not None
    model, extractor = read_lean(folder, config, [], "float32") or (None, None)
    assert model is not None and extractor is not None
    width, most = config.encoder.d_model, config.encoder.max_source_positions
    proj = model.heads["full"].proj
    files = sorted(file for file in clips.iterdir() if file.suffix in {".wav", ".flac"})
    files = files[::every]
    # Where the padding is, states hardly depend on the clip: their sum and square sum by position.
    total, squares = torch.zeros(most, width), torch.zeros(most, width)
    counted = torch.zeros(most, 1)
    tested: list[tuple[Any, int, Any]] = []
    with torch.inference_mode():
        for file in files:
            samples = load_audio(file)
            if len(samples) > LONGEST_S * 16_000:
                continue
            ends = -(-len(samples) // round(POSITION_S * 16_000))
            mel = torch.from_numpy(extractor(samples)["input_features"])
            states = model.encoder(mel).last_hidden_state[0]
            if file.stem[:2] in HELD_OUT:
                tested.append((mel, ends, states))
            else:
                total[ends:] += states[ends:]
                squares[ends:] += states[ends:].square()
                counted[ends:] += 1
        mean = total / counted.clamp(min=1)
        # Positions where no clip was silent yet take the first one's.
        mean[: int(counted[:, 0].bool().float().argmax())] = mean[int(counted[:, 0].argmax())]
        explained = 1 - (squares - counted * mean.square())[counted[:, 0] > 0].sum() / squares.sum()
        # What the heads read of the mean tail, from every position on: `(positions + 1, units)`.
        units = torch.stack(
            [weight.view(most, width) for weight in proj.weight.view(-1, most * width)]
        )
        by_position = torch.einsum("upw,pw->pu", units, mean)
        tail = torch.zeros(most + 1, len(units))
        tail[:-1] = by_position.flip(0).cumsum(0).flip(0)

        def scores(near: Any, constant: Any) -> Any:
            read = units[:, : len(near)].flatten(1) @ near.flatten() + constant + proj.bias
            hidden = read.view(model.heads["full"].n_heads, 1, -1)
            for layer in model.heads["full"].mlp:
                hidden = layer(hidden.relu())
            return hidden[:, 0, 0].numpy()

        exact = np.array([scores(states, 0.0) for _, _, states in tested])
        ways: dict[str, list[Any]] = {}
        for mel, ends, states in tested:
            for margin in MARGINS:
                cut = min(ends + margin, most)
                near = model.encoder(mel[..., : 2 * cut]).last_hidden_state[0]
                for name, row in (
                    (f"{margin}|cut, constant tail", scores(near, tail[cut])),
                    (f"{margin}|cut, no tail", scores(near, 0.0)),
                    (f"{margin}|whole encoder, constant tail", scores(states[:cut], tail[cut])),
                ):
                    ways.setdefault(name, []).append(row)
    rows = []
    for name, values in ways.items():
        positions, way = name.split("|")
        near = np.array(values)
        ranks = [float(spearmanr(exact[:, i], near[:, i]).statistic) for i in range(exact.shape[1])]
        errors = np.abs(near - exact)
        rows.append({
            "margin": int(positions), "way": way, "spearman": dict(zip(config.head_names, ranks,
                                                                    strict=True)),
            "max_error": float(errors.max()), "mean_error": float(errors.mean()),
        })  # fmt: skip
    return {
        "clips": len(tested),
        "mean_s": float(np.mean([ends * POSITION_S for _, ends, _ in tested])),
        "calibrated_on": int(counted.max()),
        "explained": float(explained),
        "rows": rows,
    }


def speed() -> list[dict[str, Any]]:
    """Seconds of encoder and heads for a clip of 5 s, whole and cut, in bfloat16."""
    import torch

    from benchmarks.full_size import INPUTS, POSITIONS, WIDTH, bfloat16_heads, encoder, features
    from benchmarks.full_size import seconds as timed

    whisper, mel, weight = encoder(), features(), bfloat16_heads(SPEED_HEADS)
    whisper.bfloat16()
    rows = []
    with torch.inference_mode():
        for margin in (None, *MARGINS):
            cut = POSITIONS if margin is None else round(LONGEST_S / POSITION_S) + margin
            part, read = mel[..., : 2 * cut].bfloat16(), weight[:, : cut * WIDTH]
            states = torch.randn(1, cut * WIDTH, dtype=torch.bfloat16)
            heads = timed(lambda: torch.nn.functional.linear(states, read))  # noqa: B023
            heads = {key: value * 40 / SPEED_HEADS for key, value in heads.items()}
            rows.append({
                "margin": margin, "positions": cut, "share": cut * WIDTH / INPUTS,
                "encoder": timed(lambda: whisper(part)), "heads": heads,  # noqa: B023
            })  # fmt: skip
    return rows


def short_mode_table(results: dict[str, Any]) -> str:
    """Tables of one run of `short_mode.py`."""
    from benchmarks.full_size import said
    from benchmarks.report import describe

    lines = [
        "| positions behind the audio | way | Spearman, worst head | median | heads below 0.99 "
        "| largest error | mean error |",
        "|--:|:--|--:|--:|--:|--:|--:|",
    ]
    for row in results["rows"]:
        ranks = sorted(row["spearman"].values())
        below = sum(rank < 0.99 for rank in ranks)
        lines.append(
            f"| {row['margin']} | {row['way']} | {ranks[0]:.4f} | {ranks[len(ranks) // 2]:.4f} "
            f"| {below} of {len(ranks)} | {row['max_error']:.3f} | {row['mean_error']:.4f} |"
        )
    whole = results["speed"][0]
    base = whole["encoder"]["median"] + whole["heads"]["median"]
    lines += [
        "",
        "| a clip of 5 s | encoder | 40 Small heads | times faster |",
        "|:--|--:|--:|--:|",
    ]
    for row in results["speed"]:
        took = row["encoder"]["median"] + row["heads"]["median"]
        name = "whole" if row["margin"] is None else f"cut at {row['margin']} positions behind it"
        lines.append(
            f"| {name}: {row['positions']:,} positions | {said(row['encoder'])} "
            f"| {said(row['heads'])} | {base / took:.1f} |"
        )
    note = (
        f"{results['clips']} clips up to 5 s (mean {results['mean_s']:.1f} s) of speakers that "
        f"neither heads nor constants have met; mean tail of {results['calibrated_on']} clips, "
        f"which explains {results['explained']:.1%} of the tail's energy. Speed: bfloat16, torch, "
        f"seconds {results['clock']}, median [range] of 5."
    )
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


if __name__ == "__main__":
    main()
