"""What the paper says of a corpus (Table 7), as rows beside those measured here."""

from evaluate_metrics.generalize.clips import ACTED
from evaluate_metrics.generalize.schema import PublishedRow
from evaluate_metrics.published import published_table7


def published_rows(corpus: str) -> list[PublishedRow]:
    """Table 7 on a corpus: hit rates of the paper's model, accuracies of supervised ones.

    Example:
        >>> [row["overall"] or row["top1"] for row in published_rows("emodb")]
        [0.706, 0.849, 0.982, 0.99]
    """
    rows: list[PublishedRow] = []
    for row in published_table7():
        if row["data"].lower() != corpus:
            continue
        cells = [v for k, v in row.items() if k not in ("model", "data", "overall") and v == v]
        # The corpora spell a class differently, but both are in alphabetical order.
        names = list(ACTED[corpus].CLASSES) if cells else []
        per_class = {n: round(v / 100, 4) for n, v in zip(names, cells, strict=True)}
        figure = round(row["overall"] / 100, 4)
        rows.append(
            {
                "system": row["model"],
                "overall": figure if cells else None,
                "top1": None if cells else figure,
                "per_class": per_class,
            }
        )
    return rows
