"""The corpora: for each one file with one class, and its line in `CORPORA`."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataset_scripts.corpora.corpus import ActedCorpus, Corpus

CORPORA = {
    "bench": "bench.EmoNetVoiceBench",
    "emodb": "emodb.EmoDB",
    "nemo": "nemo.NEMO",
    "ravdess": "ravdess.RAVDESS",
}
"""Name of a corpus -> module and class here; imported when asked for, since `datasets` is heavy."""


def corpus_class(name: str) -> "type[Corpus]":
    """The class of a corpus in `CORPORA`.

    Example:
        >>> corpus_class("emodb").PUBLISHED["clips"]
        535
    """
    module, _, class_name = CORPORA[name].partition(".")
    corpus: type[Corpus] = getattr(import_module(f"{__name__}.{module}"), class_name)
    return corpus


def acted_corpora() -> "dict[str, type[ActedCorpus]]":
    """The corpora of acted speech in coarse classes, on which `generalize` evaluates.

    Example:
        >>> list(acted_corpora())
        ['emodb', 'nemo', 'ravdess']
    """
    from dataset_scripts.corpora.corpus import ActedCorpus

    classes = {name: corpus_class(name) for name in CORPORA}
    return {name: kind for name, kind in classes.items() if issubclass(kind, ActedCorpus)}
