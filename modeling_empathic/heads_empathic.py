"""What a head is called and how it is described: specs, labels, and the names that none can have.

Standard library only, flat: it ships to the Hub as remote code.
"""

import difflib
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

from .taxonomy import (
    EMODB_CLASSES,
    EMOTIONS,
    RAVDESS_CLASSES,
    UnknownNameError,
    UserError,
    resolve,
)

HEAD_KINDS = ("full", "pooled")
DTYPES = ("float32", "bfloat16", "float16", "mixed")
"""Types to store and to compute in; `mixed`: heads in bfloat16, the encoder in float32."""
QUANTIZATIONS = ("none", "int8")
"""What the first layers of full heads are stored in: the model's type, or 8 bits and a scale."""
ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]
PROBLEM_TYPES = get_args(ProblemType)
HEAD_GROUPS = ("emotion", "attribute", "quality")
POOLINGS = {"mean_min_max_std": 4, "mean_std": 2, "mean": 1}  # statistics of each dimension
RESERVED_NAMES = (
    # columns that a score file has beside the heads'
    *("path", "clip_id", "channel", "speaker", "start_s", "end_s", "duration_s"),
    *("quality", "outcome", "error"),
    *HEAD_KINDS,  # what tensors of stacked heads are called
)
"""Names that no head can have."""
LABEL_KEYS = ("num_labels", "id2label", "label2id", "problem_type")
"""How callers say which labels they have, in every model of Transformers."""
CLASS_SPELLINGS = {
    "anger": ("angry",),
    "boredom": ("bored",),
    "calm": ("calmness",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid", "scared"),
    "happiness": ("happy", "joy", "joyful"),
    "neutral": ("neutrality",),
    "sadness": ("sad",),
    "surprise": ("surprised",),
}
"""Coarse class -> what corpora, and people, call it besides."""
# A config.json from anywhere must not choose the code that runs: an attention "owner/kernel" is
# downloaded and run, a quantisation imports what it names. Callers may, by keyword.
CHOOSES_CODE = (
    "_attn_implementation",
    "_attn_implementation_internal",
    "_experts_implementation",
    "_experts_implementation_internal",
    "attn_implementation",
    "experts_implementation",
    "quantization_config",
)
_MOST_NAME = 200  # characters


class HeadError(UserError):
    """A head that is missing, extra, duplicated, wrongly shaped or not what was asked for."""


class HeadLayout:
    """What the heads of a configuration are called, and which tensors each has.

    Of [`EmpathicInsightConfig`] and of the one that `score` reads without transformers.
    """

    heads: Any
    encoder: Any
    projection_dim: int
    hidden_dims: Any
    dropouts: Any
    pooling: str
    read_layers: int
    head_quantization: str

    @property
    def head_names(self) -> list[str]:
        """Names of the heads in output order."""
        return [spec["name"] for spec in self.heads]

    def heads_of_kind(self, kind: str) -> list[int]:
        """Output positions of the heads of one kind, in order."""
        return [i for i, spec in enumerate(self.heads) if spec["kind"] == kind]

    def is_int8(self, kind: str) -> bool:
        """Whether the first layers of a kind of head are int8: pooled ones are too small for it."""
        return kind == "full" and self.head_quantization == "int8"

    def head_in_features(self, kind: str) -> int:
        """Inputs of one head: 1500 * 768 for a full head of Whisper small, 4 * 768 for a pooled."""
        of_each = self.encoder.max_source_positions if kind == "full" else POOLINGS[self.pooling]
        n_inputs: int = self.encoder.d_model * self.read_layers * of_each
        return n_inputs

    def head_shapes(self, kind: str) -> dict[str, tuple[int, ...]]:
        """Shapes of one head's tensors, by the name that follows `heads.<head>.` on disk."""
        widths = [self.projection_dim, *self.hidden_dims, 1]
        shapes: dict[str, tuple[int, ...]] = {
            "proj.weight": (self.projection_dim, self.head_in_features(kind)),
            "proj.bias": (self.projection_dim,),
        }
        if self.is_int8(kind):
            shapes["proj.scale"] = (self.projection_dim,)
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            shapes[f"mlp.{i}.weight"] = (n_out, n_in)
            shapes[f"mlp.{i}.bias"] = (n_out,)
        return shapes


def checked_head(spec: Any, kind: str) -> dict[str, Any]:
    """One head's spec with its defaults filled in, or a HeadError that says what is wrong."""
    spec = {"name": spec} if isinstance(spec, str) else spec
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str) or not spec["name"]:
        raise HeadError(f"a head is a dict with a name, or that name, not {spec!r:.200}")
    defaults: dict[str, Any] = {
        "kind": kind,
        "scale": [0.0, 4.0],
        "group": "emotion",
        "polarity": "higher is stronger",
    }
    name = spec["name"]
    if name in RESERVED_NAMES:
        raise HeadError(f"head {name!r}: score files use the names {', '.join(RESERVED_NAMES)}")
    if len(name) > _MOST_NAME or not name.isprintable():
        raise HeadError(f"head {name!r:.200}: a name is printable, {_MOST_NAME} characters at most")
    unknown = sorted(set(spec) - {"name", *defaults})
    if unknown:
        known = ", ".join(["name", *defaults])
        raise HeadError(f"head {name!r}: unknown keys {unknown!r:.200}; known: {known}")
    head = {"name": name, **{key: spec.get(key, value) for key, value in defaults.items()}}
    if head["kind"] not in HEAD_KINDS:
        raise HeadError(f"head {name!r}: kind {head['kind']!r:.80} is not one of {HEAD_KINDS}")
    if head["group"] not in HEAD_GROUPS:
        raise HeadError(f"head {name!r}: group {head['group']!r:.80} is not one of {HEAD_GROUPS}")
    try:
        low, high = (float(bound) for bound in head["scale"])
        if any(isinstance(bound, bool | str) for bound in head["scale"]):
            raise TypeError
    except (TypeError, ValueError):
        raise HeadError(f"head {name!r}: scale {head['scale']!r:.80} is not [low, high]") from None
    if not (low < high and math.isfinite(high - low)):
        raise HeadError(f"head {name!r}: scale {head['scale']!r:.80} does not increase finitely")
    head["scale"] = [low, high]
    polarity = head["polarity"]
    if not (isinstance(polarity, str) and polarity.isprintable() and len(polarity) <= _MOST_NAME):
        raise HeadError(f"head {name!r}: polarity {polarity!r:.80} is not a few words")
    return head


def problem_of(problem_type: Any) -> ProblemType:
    """A `problem_type` that there is.

    Raises:
        HeadError: There is no such.
    """
    if problem_type not in PROBLEM_TYPES:
        raise HeadError(
            f"problem_type {problem_type!r:.80} is not one of {', '.join(PROBLEM_TYPES)}"
        )
    chosen: ProblemType = problem_type
    return chosen


def label_names(labels: dict[str, Any]) -> list[str] | None:
    """Names of the labels, in order, from those of `LABEL_KEYS` that were given; or `None`.

    Raises:
        HeadError: They contradict each other, or do not count from 0.

    Example:
        >>> label_names({"id2label": {"0": "angry", "1": "happy"}, "num_labels": 2})
        ['angry', 'happy']
        >>> label_names({"num_labels": 2})
        ['LABEL_0', 'LABEL_1']
    """
    n_labels, of_id, of_label = (labels.get(key) for key in LABEL_KEYS[:3])
    if of_id is None and of_label is not None:
        of_id = {number: name for name, number in of_label.items()}
    if of_id is None:
        return None if n_labels is None else [f"LABEL_{i}" for i in range(int(n_labels))]
    try:
        names = {int(number): name for number, name in of_id.items()}
        if of_label and {name: int(i) for name, i in of_label.items()} != {
            name: i for i, name in names.items()
        }:
            raise HeadError(f"id2label {of_id} and label2id {of_label} contradict each other")
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, HeadError):
            raise
        raise HeadError(f"id2label is {{0: name, 1: name, ...}}, not {of_id!r:.200}") from None
    if sorted(names) != list(range(len(names))) or n_labels not in (None, len(names)):
        raise HeadError(
            f"id2label has {sorted(names)}, not 0 to {(n_labels or len(names)) - 1}, each once"
        )
    return [names[i] for i in range(len(names))]


def canonical(spelling: str) -> str:
    """Taxonomy name of a spelling; a converted model may hold heads from outside the taxonomy."""
    try:
        return resolve(spelling)
    except UnknownNameError:
        return spelling


def no_head(name: str, names: Sequence[str]) -> str:
    """What to say of a name that is none of a model's heads: what it may mean, or all there are.

    Example:
        >>> no_head("bored", ["Elation", "Emotional Numbness"])
        "no head named 'bored'; by the paper's Table 11 it stands for Emotional Numbness"
        >>> no_head("Angr", ["Anger", "Awe"]), no_head("glum", ["Anger", "Awe"])
        ("no head named 'Angr'; nearest: Anger", "no head named 'glum'; there are Anger, Awe")
    """
    said, word = f"no head named {name[:100]!r}", name[:100].strip().casefold()
    by_key = {known.casefold(): known for known in names}
    near = [by_key[key] for key in difflib.get_close_matches(word, by_key)]
    for why, meant in (
        ("by the paper's Table 11 it stands for", _of_class(word)),
        ("it is a word for", _described(word)),
    ):
        if there := [emotion for emotion in meant if emotion in names]:
            return f"{said}; {why} {', '.join(there)}"
    if near:
        return f"{said}; nearest: {', '.join(near)}"
    return f"{said}; there are {', '.join(names) or 'none'}"


def _of_class(word: str) -> list[str]:
    """The emotions of a coarse class; EmoDB's column where both have it, as it is the wider one."""
    for name, words in CLASS_SPELLINGS.items():
        if word in (name, *words):
            columns = {**RAVDESS_CLASSES, **EMODB_CLASSES}
            meant = next(columns[key] for key in (name, *words) if key in columns)
            # scared: Fear first, of all that Table 11 has for it
            return sorted(meant, key=lambda e: name not in e.casefold().split("/"))
    return []


def _described(word: str) -> list[str]:
    """The emotions of which a word is a descriptor (paper A.1), or a part of the name."""
    return [
        emotion.name
        for emotion in EMOTIONS
        if word in [w.casefold() for w in (*emotion.descriptors, *emotion.name.split("/"))]
    ]
