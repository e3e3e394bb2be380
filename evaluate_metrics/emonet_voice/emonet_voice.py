"""`evaluate.load("laion/emonet_voice")`: the EmoNet-Voice metric as an `evaluate.Metric`.

A door only: the arithmetic is in the files beside this one, which need numpy and nothing else.
`evaluate` fetches exactly the files that are imported here, hence all of them, and reads these
lines one by one: one import a line, and no comment behind it.
"""
# ruff: noqa: F401
# No types of arguments: they would be imports too.
# mypy: allow-untyped-defs, allow-untyped-calls, allow-subclassing-any

import datasets
import evaluate

from .aggregate import aggregate
from .floors import floors
from .intervals import intervals
from .metric import compute
from .outcomes import check_outcomes
from .resampling import missing
from .scores import MetricError, numbers, same_length
from .student import two_sided_p
from .taxonomy import resolve
from .weighted import weighted_statistics

_DESCRIPTION = """\
MAE, RMSE, Pearson's r and Spearman's ρ of predicted emotion intensities against human ratings, on
a scale of 0 to 10: pooled over clips, by emotion, and macro over emotions, with bootstrap
intervals, counts of every kind of failure, and floors that need no ears (paper, section 4)."""

_CITATION = """\
@misc{schuhmann2025emonetvoice,
  title = {EmoNet-Voice: A Large-Scale Synthetic Benchmark for Fine-Grained Speech Emotion},
  author = {Schuhmann, Christoph and Kaczmarczyk, Robert and Rabby, Gollam and
            Friedrich, Felix and Kraus, Maurice and Nadi, Kourosh and Nguyen, Huu and
            Kersting, Kristian and Auer, S{\\"o}ren},
  year = {2025},
  eprint = {2506.09827},
  archivePrefix = {arXiv},
  url = {https://arxiv.org/abs/2506.09827}
}"""

_INPUTS = """
Args:
    predictions: One number a row (a clip and an emotion), None where the system gave none.
    references: One human rating, or mean of ratings, a row.
    emotions (optional): The name of each row's emotion, in any spelling of the taxonomy; another
        is refused. Without it, pooled figures only.
    outcomes (optional): `scored`, `refused`, `unmapped`, `parse_error`, `transport_error` or
        `decode_error` a row. Rows that are not `scored` are counted and take no part.
    groups (optional): What to resample together, such as the voice of each row; "" for none.
    scale (compute only): Of the predictions: "0-10", "0-4", "0-1" or "0-2".
    reference_scale (compute only): Of the references: "0-10", or "0-2" for ratings 0, 1, 2.
    n_resamples (compute only): Bootstrap resamples, 1000 by default; 0 for no intervals.
    seed (compute only): Of the bootstrap.

Returns:
    A dictionary with `mae`, `rmse`, `pearson`, `spearman`, `macro_...` of each, `per_emotion`,
    `intervals`, `outcomes`, `floors`, `headline`, `undefined`.

Examples:
    >>> metric = evaluate.load("laion/emonet_voice")
    >>> result = metric.compute(
    ...     predictions=[0.5, 3.5, 2.0, 1.0], references=[0, 2, 1, 0],
    ...     emotions=["Awe", "Awe", "Pain", "Pain"], scale="0-4", reference_scale="0-2",
    ... )
    >>> result["mae"], result["macro_mae"]
    (1.25, 1.25)
"""
_OPTIONAL = ("emotions", "outcomes", "groups")


class EmonetVoice(evaluate.Metric):
    """The metric for `evaluate`; see `metric.compute` for what goes in and comes out.

    `emotions`, `outcomes` and `groups` may be left out of `add`, `add_batch` and `compute`. They
    are columns like the other two, so that they survive batches and processes. `evaluate.combine`
    knows of no optional columns: name all five in its `add_batch`, None where you have none.
    """

    def _info(self) -> evaluate.MetricInfo:
        columns = {"predictions": "float64", "references": "float64"}
        columns |= dict.fromkeys(_OPTIONAL, "string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({n: datasets.Value(t) for n, t in columns.items()}),
            format="numpy",
            homepage="https://huggingface.co/spaces/laion/emonet_voice",
            license="apache-2.0",
            reference_urls=["https://arxiv.org/abs/2506.09827"],
        )

    def add(self, *, prediction=None, reference=None, **columns):
        """Adds one row; arguments as of `add_batch`, one value each."""
        row = {"predictions": prediction, "references": reference, **columns}
        absent = [name for name in _OPTIONAL if row.get(name) is None]
        self.add_batch(**{name: [row[name]] for name in row if name not in absent})

    def add_batch(
        self, *, predictions=None, references=None, emotions=None, outcomes=None, groups=None
    ):
        """Adds rows."""
        if predictions is None or references is None:
            raise MetricError("predictions and references are both needed")
        p, r = numbers(predictions), numbers(references)
        same_length(
            predictions=p, references=r, emotions=emotions, outcomes=outcomes, groups=groups
        )
        names = [""] * len(p) if emotions is None else list(emotions)
        groups = [""] * len(p) if groups is None else list(groups)
        super().add_batch(
            predictions=p,
            references=r,
            emotions=names,
            outcomes=check_outcomes(outcomes, len(p)),
            groups=["" if missing(group) else str(group) for group in groups],
        )

    def compute(
        self, *, predictions=None, references=None, emotions=None, outcomes=None, groups=None,
        **settings,
    ):  # fmt: skip
        """Adds rows, if any are given, and computes the metric of all rows added so far."""
        columns = {"predictions": predictions, "references": references, "emotions": emotions}
        columns |= {"outcomes": outcomes, "groups": groups}
        if any(column is not None for column in columns.values()):
            self.add_batch(**columns)
        return super().compute(**settings)

    def _compute(
        self,
        predictions,
        references,
        emotions,
        outcomes,
        groups,
        scale="0-10",
        reference_scale="0-10",
        n_resamples=1000,
        seed=42,
    ):
        return compute(
            predictions,
            references,
            [str(name) for name in emotions] if any(emotions) else None,
            [str(outcome) for outcome in outcomes],
            [str(group) for group in groups],
            scale=scale,
            reference_scale=reference_scale,
            n_resamples=n_resamples,
            seed=seed,
        )
