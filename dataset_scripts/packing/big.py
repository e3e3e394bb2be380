"""What the packed corpus is on the Hub: configurations, columns, the words of its README."""

from typing import Any, ClassVar

from datasets import ClassLabel, Features, List, Value

from dataset_scripts.corpora.bench import EmoNetVoiceBench
from dataset_scripts.corpora.clips import clip_columns
from dataset_scripts.corpora.corpus import Corpus
from dataset_scripts.generation.factors import CHALLENGE, LANGUAGES
from modeling_empathic.taxonomy import EMOTION_NAMES

from .clips import SAMPLING_RATE

OTHER = "other"
"""Clips in none of the four languages, or in one that nobody knows: such as recordings."""
GROUPS = (*LANGUAGES, CHALLENGE, OTHER)

FEATURES = Features(
    {
        **clip_columns(SAMPLING_RATE),
        "emotion": ClassLabel(names=list(EMOTION_NAMES)),
        "intensity": Value("float32"),
        "emotion_scores": List(Value("float32"), length=len(EMOTION_NAMES)),
        "caption": Value("string"),
        "language": Value("string"),
        "voice": Value("string"),
        "voice_gender": Value("string"),
        "accent": Value("string"),
        "topic": Value("string"),
        "text": Value("string"),
        "part": Value("string"),
        "engine": Value("string"),
        "prompt_id": Value("string"),
        "annotator": Value("string"),
        "source_file": Value("string"),
        "start_s": Value("float32"),
        "end_s": Value("float32"),
    }
)


def group_of(row: dict[str, Any]) -> str:
    """The configuration of a clip beside `all`.

    Example:
        >>> group_of({"language": "de", "part": "factorial"}), group_of({"language": None})
        ('de', 'other')
        >>> group_of({"language": "en", "part": "acting_challenge"})
        'acting_challenge'
    """
    if row.get("part") == CHALLENGE:
        return CHALLENGE
    language = row.get("language")
    return language if language in LANGUAGES else OTHER


class Big(Corpus):
    """The card's part of a corpus; its clips come from `sources.read`."""

    DEFAULT = "all"
    CONFIG_FILES: ClassVar = {
        **{group: f"data/{group}-*.parquet" for group in GROUPS},
        "all": "data/*.parquet",
    }
    BUILT_BY = "emonet-voice big build"
    PUBLISHED: ClassVar = {}
    FACTS: ClassVar = {
        "description": (
            "Speech clips with scores from 0 to 4 for each of 40 emotions and a caption that says "
            "them in words, in the layout of EmoNet-Voice Big (arXiv 2506.09827, section 3.2)."
        ),
        "citation": EmoNetVoiceBench.FACTS["citation"],
        "homepage": "https://arxiv.org/abs/2506.09827",
        "license": "that of the voices and recordings it was made of, which its maker has to state",
    }
    CARD: ClassVar = {
        "pretty_name": "A corpus like EmoNet-Voice Big",
        "license": "unknown",
        "task_categories": ["audio-classification"],
        "tags": ["emotion", "speech-emotion-recognition", "emonet-voice"],
    }
    NOTES: ClassVar = """`emotion` is what the voice was asked to act, `emotion_scores` what the
clip conveys to the annotator: 40 numbers in the order of `emotion`'s classes. A cell is empty where
nobody knows it. `manifest.json` has the hours by language, accent, voice and emotion."""
