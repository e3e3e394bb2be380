"""The four models with a short name: what each has, takes and reaches, in one table.

Sizes follow from the released shapes; speed and memory are what `benchmarks/models.py` measured
(`measured.json` is its result), agreement is the paper's.
"""

import json
import math
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from emonet_voice.hub.converted import cache as converted_cache
from emonet_voice.hub.converted import heads_of
from evaluate_metrics.published import LARGE, SMALL, published_macro, published_table5
from modeling_empathic.report.tables import Section, number, plain
from modeling_empathic.scoring.short_names import NANO, SHORT_NAMES

_STATES, _POOLED = 1500 * 768, 4 * 768  # what full and pooled heads read of Whisper small
_ENCODER_BYTES = 4 * 88_154_112  # its encoder, float32
_DOWNLOAD_BYTES = 966_995_080  # laion/BUD-E-Whisper's file, decoder included
_SMALL, _LARGE = (64, 64, 32, 16, 1), (128, 128, 64, 32, 1)


class Released(NamedTuple):
    """A model of the public release.

    Attributes:
        full: Number of full heads.
        pooled: Number of pooled heads.
        widths: Of a head's layers.
        emotions: Whose speed and agreement it has: the model with the same emotion heads.
        published: Name of that one in the paper's tables.
        purpose: What it is for.
    """

    full: int
    pooled: int
    widths: tuple[int, ...]
    emotions: str
    published: str
    purpose: str

    @property
    def n_bytes(self) -> int:
        """Of the heads, float32."""
        return 4 * sum(
            number * sum((a + 1) * b for a, b in pairwise((inputs, *self.widths)))
            for number, inputs in ((self.full, _STATES), (self.pooled, _POOLED))
        )


RELEASED = {
    "small": Released(55, 0, _SMALL, "small", SMALL, "real scores, start here"),
    "large": Released(55, 0, _LARGE, "large", LARGE, "heads twice as wide"),
    "plus": Released(55, 4, _SMALL, "small", SMALL, "small, and the recording's quality"),
}


@cache
def measured() -> dict[str, Any]:
    """What `benchmarks/models.py` measured."""
    text = Path(__file__).with_name("measured.json").read_text("utf-8")
    result: dict[str, Any] = json.loads(text)
    return result


def overhead_gb() -> float:
    """What scoring takes beside the weights."""
    small = measured()["models"]["small"]
    return float(small["peak_gb"] - small["weights_gb"])


def conversion_s(n_bytes: int) -> float:
    """How long converting so many bytes of pickles takes, on the machine that was measured."""
    conversion = measured()["conversion"]
    return float(conversion["median_s"] / conversion["gb"] * n_bytes / 1e9)


def rows() -> list[dict[str, Any]]:
    """A row a model; sizes in GB (10^9 bytes), NaN where there is no figure.

    Example:
        >>> [row["model"] for row in rows()]
        ['nano', 'small', 'large', 'plus']
    """
    speed = measured()["models"]
    nano = {
        "model": "nano", "source": "built in", "heads": 40, "here": "built in",
        "download_gb": 0.0, "disk_gb": sum(f.stat().st_size for f in NANO.iterdir()) / 1e9,
        "memory_gb": speed["nano"]["peak_gb"], "clips_per_s": speed["nano"]["clips_per_s"],
        "spearman": math.nan, "spearman_macro": math.nan, "for": "trying things out, offline",
    }  # fmt: skip
    found = [nano]
    table5 = {row["model"]: row["spearman"] for row in published_table5()}
    for name, model in RELEASED.items():
        disk_gb = (model.n_bytes // 2 + _ENCODER_BYTES) / 1e9
        found.append({
            "model": name, "source": SHORT_NAMES[name], "heads": model.full + model.pooled,
            "here": here(SHORT_NAMES[name]),
            "download_gb": (model.n_bytes + _DOWNLOAD_BYTES) / 1e9, "disk_gb": disk_gb,
            "memory_gb": disk_gb + overhead_gb(),
            "clips_per_s": speed.get(model.emotions, {}).get("clips_per_s", math.nan),
            "spearman": table5[model.published],
            "spearman_macro": published_macro()[model.published][0], "for": model.purpose,
        })  # fmt: skip
    return found


def here(repository: str) -> str:
    """What this machine has of a model on the Hub, without asking the Hub."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = repository.replace("/", "--")
    converted = [
        len(heads_of(config)) for config in converted_cache().glob(f"{folder}/*/*/*/config.json")
    ]
    if converted:
        return f"{max(converted)} heads"
    snapshots = Path(HF_HUB_CACHE, f"models--{folder}", "snapshots")
    return "downloaded" if list(snapshots.glob("*/*.safetensors")) else "no"


def table(found: list[dict[str, Any]], *, here: bool = True, wide: bool = True) -> Section:
    """The rows as a table for people.

    Args:
        found: Of [`rows`].
        here: With the column that is about this machine.
        wide: With the column of purposes; else they are notes.
    """
    result, machine = measured(), measured()["machine"]
    names = ["model", "heads", "download", "disk", "memory", "clips/s", "ρ"]
    lines = []
    for row in found:
        figures = [_gb(row[key]) for key in ("download_gb", "disk_gb", "memory_gb")]
        agreement = f"{number(row['spearman'])} / {number(row['spearman_macro'])}"
        lines.append([
            row["model"], str(row["heads"]), *figures, _rate(row["clips_per_s"]),
            "not measured" if math.isnan(row["spearman"]) else agreement,
            *([row["here"]] if here else []), *([row["for"]] if wide else []),
        ])  # fmt: skip
    names += [*(["here"] if here else []), *(["for"] if wide else [])]
    purposes = "; ".join(f"{row['model']}: {row['for']}" for row in found)
    notes = (
        "" if wide else f"{purposes}.",
        f"Clips a second: the 40 emotions, measured on {machine['cpu']}, {machine['cores']} cores "
        f"({_clips(result)}).",
        "Spearman's ρ with the experts' mean rating: over all clips / mean of the emotions "
        "(paper, Tables 5 and 6); plus has small's emotion heads.",
        "small, large and plus are loose pickles on the Hub today: the first use converts them, "
        "after asking.",
    )
    return plain("", names, lines, *notes)._replace(text_last=here + wide)


def _clips(result: dict[str, Any]) -> str:
    """On which clips the models were measured, and when."""
    own = {name: row["clips"] for name, row in result["models"].items() if "clips" in row}
    listed = "; ".join(f"{name}: {clips}" for name, clips in own.items())
    return listed or f"clips of {result['clip_s']} s, {result['machine']['date']}"


def _rate(value: float) -> str:
    return "not measured" if math.isnan(value) else f"{value:#.2g}".removesuffix(".")


def _gb(value: float) -> str:
    return "none" if not value else f"{value * 1000:.0f} MB" if value < 0.1 else f"{value:.1f} GB"
