"""What a generalisation result holds, in memory as in its JSON file: every name, once.

Shares are 0 to 1. What is undefined is NaN, in a file null.
"""

from typing import Any, NotRequired, TypedDict


class Figures(TypedDict):
    """Rates over all clips of a row.

    Attributes:
        overall: Clips whose own class is called present: the paper's accuracy.
        false_alarm_rate: Of all wrong classes, those called present.
        classes_a_clip: How many are called present.
        overall_shuffled: `overall` of the same calls on clips in another order.
        top1: Clips whose one answer is right.
        uar: Unweighted average recall.
        macro_f1: Mean F1 of the classes.
    """

    overall: float
    false_alarm_rate: float
    classes_a_clip: float
    overall_shuffled: float
    top1: float
    uar: float
    macro_f1: float


class ClassFigures(TypedDict):
    """Rates of one class: of its calls the first three, of the one answer the others.

    Attributes:
        hit_rate: Of its clips, those it is called on.
        false_alarms: Of all other clips, those it is called on.
        hit_rate_shuffled: Of all clips, those it is called on: `hit_rate` by chance. It depends on
            how far the scores spread, so that no constant says it.
        recall: Of its clips, those it is the answer of.
        f1: Harmonic mean of that and of the share of its answers that are right.
    """

    hit_rate: float
    false_alarms: float
    hit_rate_shuffled: float
    recall: float
    f1: float


class CountedClass(ClassFigures):
    """Rates of one class, and of how many clips they are."""

    n: int


OVERALL = tuple(Figures.__annotations__)
OF_CLASSES = tuple(ClassFigures.__annotations__)


class _Counted(Figures):
    confusion: list[list[int]] | None
    """Clips by truth (rows) and answer (columns)."""
    intervals: dict[str, Any]
    """95 % intervals of all figures, by the same names."""
    bootstrap: dict[str, Any]
    """How they were made."""


class Rates(_Counted):
    """What [`zero_shot.rates`] measures; classes in their order."""

    per_class: list[CountedClass]


class ReferenceFacts(TypedDict):
    """Against which clips z-scores are."""

    clips: str
    n_clips: int


class Row(_Counted):
    """One system by one protocol.

    Attributes:
        clips: Different clips that were answered.
        answers: On them; a clip that is in several tests has several.
        speakers: Of these clips.
        outcomes: Clips by outcome, those that failed included.
        undefined: Figure -> why it has no value.
        per_class: By name of the class.
        top1_of_splits: Of a classifier that is taught the corpus.
        reference: Of z-scores.
        clips_in_reference: Clips that help to judge themselves.
    """

    system: str
    protocol: str
    clips: int
    answers: int
    speakers: list[str]
    outcomes: dict[str, int]
    undefined: dict[str, str]
    per_class: dict[str, CountedClass]
    top1_of_splits: NotRequired[list[float]]
    reference: NotRequired[ReferenceFacts]
    clips_in_reference: NotRequired[int]


class PublishedRow(TypedDict):
    """A row of the paper's Table 7: hit rates, or only an accuracy (`top1`)."""

    system: str
    overall: float | None
    top1: float | None
    per_class: dict[str, float]


class CorpusFacts(TypedDict):
    """What was judged; `classes` are clips by class, `title` is its name for people.

    `not_as_said` counts what of a folder's labels was left out or is not known, and why clips
    failed.
    """

    name: str
    title: NotRequired[str]
    source: str
    clips: int
    published_clips: int
    speakers: list[str]
    classes: dict[str, int]
    median_duration_s: float
    not_as_said: NotRequired[dict[str, int]]


class Result(TypedDict):
    """A whole result: `rows` in the order of the tables, the model's own first."""

    format: int
    kind: str
    made: dict[str, str]
    corpus: CorpusFacts
    model: dict[str, Any]
    rule: str
    rows: list[Row]
    floors: list[Row]
    published: list[PublishedRow]


class ComparedRows(TypedDict):
    """Two systems on the clips of a corpus that both answered: UAR of `a` less that of `b`.

    Attributes:
        a: System.
        b: System.
        clips: That both answered.
        difference: In UAR.
        low: Of its 95 % interval.
        high: Of its 95 % interval.
        p: Two-sided.
        p_holm: Corrected after Holm over all pairs on this corpus.
    """

    a: str
    b: str
    clips: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float


class AcrossResult(TypedDict):
    """Several corpora, on the classes that all of them have.

    Attributes:
        format: 1.
        kind: `generalization-across`.
        made: When, by which version.
        model: Its provenance.
        classes: Common names of the shared classes.
        chance: UAR of a constant answer.
        rows: Corpus -> every system; those that are taught have never met the corpus.
        comparisons: Corpus -> every two of its systems.
        corpora: Each corpus's own result, on all its classes.
    """

    format: int
    kind: str
    made: dict[str, str]
    model: dict[str, Any]
    classes: list[str]
    chance: float
    rows: dict[str, list[Row]]
    comparisons: dict[str, list[ComparedRows]]
    corpora: dict[str, Result]
