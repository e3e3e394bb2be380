r"""Score reference clips with a model and keep how each head's scores are spread.

    python examples/make_reference.py --model nano --clips "path/to/emodb/0[389]*" \
        --what "EmoDB, 304 clips of the six speakers that Nano was trained on." \
        --output modeling_empathic/nano/reference_scores.json

The file goes beside the model's weights; `emonet-voice generalize --baseline` and the demo read it.
"""

import argparse
import os
from pathlib import Path

from modeling_empathic.reference_scores import make_reference, write_reference
from modeling_empathic.report.statistics import window_mean
from modeling_empathic.scoring.clips import find_audio, score_groups
from modeling_empathic.scoring.loading import load_model


def main() -> None:
    """Command line of `make_reference.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="nano, a folder or a Hub id")
    parser.add_argument("--revision", help="of a model on the Hub")
    parser.add_argument("--clips", nargs="+", required=True, help="files, folders, quoted globs")
    parser.add_argument("--what", required=True, help="one sentence: what the clips are")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    model, extractor, provenance = load_model(
        None if arguments.model == "nano" else arguments.model,
        revision=arguments.revision,
        heads=[],
        device="auto",
        dtype="auto",
    )
    groups = score_groups(
        find_audio(arguments.clips), model, extractor, batch_size=8, workers=os.cpu_count() or 1
    )
    scores: dict[str, list[float]] = {name: [] for name in model.config.head_names}
    ids = []
    for rows in (clip for group in groups for clip in group):
        if rows[0]["outcome"] != "scored":
            parser.error(f"{rows[0]['path']}: {rows[0]['error']}")
        ids.append(rows[0]["clip_id"])
        lengths = [row["end_s"] - row["start_s"] for row in rows]
        for name, column in scores.items():
            column.append(float(window_mean([row[name] for row in rows], lengths)))
    reference = make_reference(
        scores,
        clips=arguments.what,
        model=provenance["model"],
        revision=provenance["revision"],
        clip_ids=ids,
    )
    write_reference(reference, arguments.output)
    print(f"{reference.n_clips} clips, {len(reference.heads)} heads: {arguments.output}")


if __name__ == "__main__":
    main()
