"""Writes the ratings as a raw release of Bench, which `emonet-voice bench build` reads.

    python raw_export.py OUT      # OUT/data/train-00000-of-00001.parquet
    emonet-voice bench build OUT bench/ --no-assert

One row an item: the audio as it is, and a label in the notation of the public release, ratings in
the order in which they came in. `listening` says of each rating how it was heard, and goes into the
built Bench; `comments` are for the organisers alone. Items that the protocol has not finished, and
gold items, are left out.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from annotation_batch import TEXTS, Item
from annotation_project import open_project
from rating_store import Answer, Ratings

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


def listening(answers: Iterable[Answer]) -> str | None:
    """How the ratings of an item were heard, as JSON by rater; None where nothing is known.

    Example:
        >>> from hearing import Hearing
        >>> listening([Answer("x", "human-1", 2, Hearing(1, 3.5, 6.0, ("music",), "loud"))])
        '{"human-1": {"plays": 1, "heard_s": 3.5, "answer_s": 6.0, "flags": ["music"]}}'
    """
    return _json({
        answer.rater: {
            name: value for name, value in answer.hearing._asdict().items() if name != "comment"
        }
        for answer in answers
        if answer.hearing.plays is not None
    })  # fmt: skip


def comments(answers: Iterable[Answer]) -> str | None:
    """What raters wrote of an item, as JSON by rater; None where nobody did."""
    return _json({a.rater: a.hearing.comment for a in answers if a.hearing.comment})


def _json(content: dict[str, Any]) -> str | None:
    return json.dumps(content, ensure_ascii=False) if content else None


def export(
    file: Path,
    batch: Mapping[str, Item],
    ratings: Ratings,
    protocol: Protocol,
    answers: Iterable[Answer] = (),
) -> tuple[int, int]:
    """Writes one Parquet file, which appears when it is whole.

    Args:
        file: To write.
        batch: Items by id.
        ratings: Of every item.
        protocol: Which items are finished.
        answers: How each of the ratings was heard, where it is known.

    Returns:
        How many items were written, and how many were left out because they are not finished.
    """
    import pyarrow as pa
    from pyarrow import parquet

    features = {"audioId": {"_type": "Audio"}, "label": {"dtype": "string", "_type": "Value"}}
    texts = [name for name in TEXTS if any(name in item.texts for item in batch.values())]
    added = ("listening", "comments", *texts)
    features |= {name: {"dtype": "string", "_type": "Value"} for name in added}
    heard: dict[str, list[Answer]] = {}
    for answer in answers:  # one that came after the ratings were read is not of them
        if answer.rater in {rating.rater for rating in ratings.get(answer.item, ())}:
            heard.setdefault(answer.item, []).append(answer)
    schema = pa.schema(
        [
            ("audioId", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.string()),
            ("listening", pa.string()),
            ("comments", pa.string()),
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
                        "listening": listening(heard.get(i, [])),
                        "comments": comments(heard.get(i, [])),
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
    written, left = export(file, project.batch, store.ratings(), store.protocol, store.answers())
    print(f"{written:,} items in {file}; {left:,} not finished and left out")


if __name__ == "__main__":
    main()
