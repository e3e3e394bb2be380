"""How unusual scores are, against a model's own reference clips or against public statistics."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from emonet.norms import z_against
from emonet.reference_scores import percentiles, z_scores
from emonet.taxonomy import to_0_10
from voice_model import Voice


class Against(NamedTuple):
    """What scores are compared with, in words, and by head."""

    what: str | None = None
    z: Mapping[str, float] = {}
    percentile: Mapping[str, float | None] = {}
    usual: Mapping[str, float] = {}

    def of(self, name: str) -> dict[str, float | None]:
        """`z`, `percentile` and `usual_0_10` of a head, None for what is not known."""
        z = self.z.get(name, math.nan)
        return {
            "z": None if math.isnan(z) else z,
            "percentile": self.percentile.get(name),
            "usual_0_10": to_0_10(self.usual[name]) if name in self.usual else None,
        }


def against_what_is_usual(voice: Voice, scores: Mapping[str, float]) -> Against:
    """What scores are compared with: the model's reference clips, else a public norm, else nothing.

    Args:
        voice: Of `voice_model.load`.
        scores: Of its heads, on their own scale.
    """
    reference, norm = voice.reference, voice.norm
    # A reference of other heads is of another model.
    if reference is not None and all(name in reference.heads for name in scores):
        return Against(
            f"the model's {reference.n_clips} reference clips: {reference.clips.rstrip('.')}",
            z_scores(scores, reference),
            percentiles(scores, reference),
            {name: reference.heads[name].mean for name in scores},
        )
    if norm is not None and all(name in norm.centre for name in scores):
        what = f"{norm.title}, public statistics of these heads"
        return Against(what, z_against(scores, norm), {}, norm.centre)
    return Against()
