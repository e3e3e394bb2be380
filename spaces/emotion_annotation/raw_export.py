"""Writes the ratings as a raw release of Bench, which `emonet-voice bench build` reads.

    python raw_export.py OUT      # OUT/data/train-00000-of-00001.parquet
    emonet-voice bench build OUT bench/ --no-assert

One row an item: the audio as it is, and a label in the notation of the public release, ratings in
the order in which they came in. Items that the protocol has not finished are left out.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from annotation_batch import TEXTS, Item
from annotation_project import open_project
from rating_store import Ratings

from dataset_scripts.annotations import Protocol, Rating, open_seats
from modeling_empathic.taxonomy import Emotion, head

ROWS_A_GROUP = 100


def label(emotion: str, ratings: list[Rating]) -> str:
    """The label of an item as the public release writes it.

    Example:
        >>> label("Pleasure/Ecstasy", [Rating("human-1", 0), Rating("human-4", 2)])
        "[{'human-1': {'Pleasure': 0}}, {'human-4': {'Pleasure': 2}}]"
    """
    meant = head(emotion)
    spelling = quote(meant.bench_label if isinstance(meant, Emotion) else meant.name, safe="")
    return repr([{rating.rater: {spelling: rating.score}} for rating in ratings])


def export(
    file: Path, batch: Mapping[str, Item], ratings: Ratings, protocol: Protocol
) -> tuple[int, int]:
    """Writes one Parquet file, which appears when it is whole.

    Returns:
        How many items were written, and how many were left out because they are not finished.
    """
    import pyarrow as pa
    from pyarrow import parquet

    features = {"audioId": {"_type": "Audio"}, "label": {"dtype": "string", "_type": "Value"}}
    texts = [name for name in TEXTS if any(name in item.texts for item in batch.values())]
    features |= {name: {"dtype": "string", "_type": "Value"} for name in texts}
    schema = pa.schema(
        [
            ("audioId", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.string()),
            *((name, pa.string()) for name in texts),
        ],
        {"huggingface": json.dumps({"info": {"features": features}})},
    )
    done = [i for i, given in ratings.items() if given and not open_seats(i, given, protocol)]
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with parquet.ParquetWriter(unfinished, schema) as writer:
            for first in range(0, len(done), ROWS_A_GROUP):
                rows = [
                    {
                        "audioId": {
                            "bytes": batch[i].clip.read_bytes(),
                            "path": batch[i].clip.name,
                        },
                        "label": label(batch[i].emotion, ratings[i]),
                        **{name: batch[i].texts[name] or None for name in texts},
                    }
                    for i in done[first : first + ROWS_A_GROUP]
                ]
                writer.write_table(pa.Table.from_pylist(rows, schema))
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return len(done), len(ratings) - len(done)


def main() -> None:
    """Exports the project that the environment names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python raw_export.py OUT")
    try:
        project = open_project()
    except ValueError as error:
        sys.exit(f"error: {error}")
    file = Path(sys.argv[1]) / "data" / "train-00000-of-00001.parquet"
    store = project.store
    written, left = export(file, project.batch, store.ratings(), store.protocol)
    print(f"{written:,} items in {file}; {left:,} not finished and left out")


if __name__ == "__main__":
    main()
