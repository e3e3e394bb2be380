"""What a plan, which may be a stranger's, must be like before anything of it is spoken."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from modeling_empathic.taxonomy import EMOTION_NAMES, EMOTION_SCALE, UserError

from .plan import PIECE, SCHEMA

FREE_GROUP_BYTES, MOST_ROW_BYTES, MOST_GROUP_BYTES = 2**25, 2**14, 2**28
"""What a row group may have in any case, for each of its rows (ours have 1,500 bytes), and at all.
A page of it is unpacked as a whole, and takes its size five times while it is."""
MOST_CELL_BYTES = 2**20
_ID = "^[0-9A-Za-z]{2}[0-9A-Za-z_-]{0,62}$"


class GenerationError(UserError):
    """A run that cannot begin or go on; the message says why."""


def check_row_groups(plan: Path, about: parquet.FileMetaData) -> None:
    """Refuses rows that would take more memory than those of a plan, before they are unpacked."""
    for group in map(about.row_group, range(about.num_row_groups)):
        n, size = group.num_rows, group.total_byte_size
        why = ""
        if size > FREE_GROUP_BYTES + MOST_ROW_BYTES * n:
            why = "texts that are spoken have less"
        elif size > MOST_GROUP_BYTES:
            why = f"write it with row_group_size={PIECE}"
        if why:
            raise GenerationError(f"plan={plan} has {n:,} rows of {size // 10**6:,} MB: {why}")


def check_cells(batch: pa.RecordBatch, plan: str) -> None:
    """Refuses rows that are none of a plan, or whose ids cannot name files."""
    named = pc.fill_null(pc.match_substring_regex(batch["id"], _ID), False)
    known = pc.is_in(batch["target_emotion"], value_set=pa.array(EMOTION_NAMES))
    intensity = batch["target_intensity"]
    low, high = EMOTION_SCALE
    within = pc.and_(pc.greater_equal(intensity, low), pc.less_equal(intensity, high))
    short = [
        (field.name, pc.less_equal(pc.binary_length(batch[field.name]), MOST_CELL_BYTES))
        for field in SCHEMA
        if field.type == pa.string()
    ]
    checks = [
        ("id", named, "which cannot name a file"),
        ("target_emotion", known, "which is none of the 40"),
        *((name, pc.is_valid(batch[name]), "an empty cell") for name in SCHEMA.names),
        ("target_intensity", within, f"which is outside {low:g} to {high:g}"),
        *((name, right, f"of more than {MOST_CELL_BYTES:,} bytes") for name, right in short),
    ]
    for name, right, why in checks:
        if (at := right.index(False).as_py()) >= 0:
            raise GenerationError(f"{plan} has {name}={batch[name][at].as_py()!r:.60}, {why}")
