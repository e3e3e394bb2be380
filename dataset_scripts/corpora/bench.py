"""EmoNet-Voice Bench as a data set: typed columns and four configurations over the raw release.

The file has this name and not that of the Hub repository on purpose: `load_dataset` refuses a
repository with a script named like itself.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import datasets

from dataset_scripts.annotations import summarise
from dataset_scripts.corpora.clips import Row, audio_columns, clip_columns
from dataset_scripts.corpora.corpus import Corpus
from dataset_scripts.corpora.listening import FEATURES as LISTENING_FEATURES
from dataset_scripts.corpora.listening import listening_of
from dataset_scripts.corpora.raw_release import (
    LISTENING,
    Label,
    RawReleaseError,
    raw_files,
    read_clips,
    read_labels,
    text_columns,
)
from modeling_empathic.taxonomy import BENCH_NAMES, EMOTION_NAMES

SAMPLING_RATE = 44_100
EMOTION = datasets.ClassLabel(names=list(BENCH_NAMES))
_NUMBER = {name: number for number, name in enumerate(BENCH_NAMES)}
_GROUP = re.compile(r"[0-9a-fA-F]{8}")

RATING_FEATURES = datasets.Features(
    {
        "clip_id": datasets.Value("string"),
        "emotion": EMOTION,
        "rater": datasets.Value("string"),
        "score": datasets.Value("int8"),
    }
)
"""Columns of the configuration `ratings`: one row a rating, no audio."""


def rating_features(features: datasets.Features) -> datasets.Features:
    """`RATING_FEATURES`, and how a rating was heard where the clips' `features` have that."""
    return datasets.Features({**RATING_FEATURES, **features["ratings"].feature})


def ratings_of(row: Row) -> Iterator[Row]:
    """A clip's rows in the configuration `ratings`."""
    for rating in row["ratings"]:
        yield {"clip_id": row["clip_id"], "emotion": row["emotion"], **rating}


class EmoNetVoiceBench(Corpus):
    """12,600 synthetic clips, each judged by two to four experts for one of 42 categories.

    Four configurations: `default`, the 40 emotions of the taxonomy; `all`, with Arousal and
    Authenticity; `unanimous`, of all 42 where every rater scored 1 or 2; `ratings`, one row a
    rating, without audio.
    """

    SPLIT = "test"
    TARGET = "emotion"
    CONFIG_FILES: ClassVar = {
        "default": "data/emotions-*.parquet",
        "all": "data/*.parquet",
        "unanimous": "data/*-unanimous-*.parquet",
        "ratings": "ratings/*.parquet",
    }
    # Its files are those of `all` too, whose last two classes it does not have.
    CONFIG_FEATURES: ClassVar = {
        "default": {"emotion": datasets.ClassLabel(names=list(EMOTION_NAMES))}
    }
    PUBLISHED: ClassVar = {
        "clips": 12_600,
        "ratings": 33_605,
        "unanimous_present": 4_692,
        **{f"emotion: {name}": 300 for name in BENCH_NAMES},
    }
    FACTS: ClassVar = {
        "description": (
            "EmoNet-Voice Bench: synthetic speech in English, German, Spanish and French, each "
            "clip judged by two to four psychology experts for one target category (40 emotions, "
            "Arousal, Authenticity): not perceived (0), mildly present (1), intensely present (2)."
        ),
        "citation": """@misc{schuhmann2025emonetvoice,
  title = {EmoNet-Voice: A Large-Scale Synthetic Benchmark for Fine-Grained Speech Emotion},
  author = {Schuhmann, Christoph and Kaczmarczyk, Robert and Rabby, Gollam and
            Friedrich, Felix and Kraus, Maurice and Nadi, Kourosh and Nguyen, Huu and
            Kersting, Kristian and Auer, S{\\"o}ren},
  year = {2025},
  eprint = {2506.09827},
  archivePrefix = {arXiv},
  url = {https://arxiv.org/abs/2506.09827}
}
""",
        "homepage": "https://arxiv.org/abs/2506.09827",
        "license": "cc-by-4.0",
    }
    CARD: ClassVar = {
        "pretty_name": "EmoNet-Voice Bench",
        "license": "cc-by-4.0",
        "language": ["en", "de", "es", "fr"],
        "task_categories": ["audio-classification"],
        "tags": ["emotion", "speech-emotion-recognition", "emonet-voice", "synthetic"],
    }
    NOTES: ClassVar = """A row is a clip with the one category that its raters were asked about;
`clip_id` and `emotion` together are its key: one sound may be judged for two categories.
`file_name` is not a key: some names repeat with other audio. `group` is its first eight digits.

- `duration_s`: from the packets of the file, an encoder's padding included; null if unreadable.
- `ratings`: each rater's score: 0 not perceived, 1 mildly present, 2 intensely present; and where
  the source knows it, how often and how long the rater heard the clip, the seconds to the answer,
  and flags such as "music".
- `mean_0_10`: mean score times five, the default target.
- `majority`: the most frequent score; of tied ones the nearest to the mean, then the lower.
- `agreement`: raters who found the category present or absent, as in the paper's Figure 1.
- `unanimous_present`: every rater found it present.

Which language and which voice a clip has is not known where the columns are not there."""

    @classmethod
    def files(
        cls, source: str | Path, revision: str | None = None
    ) -> tuple[list[Path], str | None]:
        """The raw release's shards, and their commit; see `raw_release.raw_files`."""
        return raw_files(source, revision)

    @classmethod
    def features(cls, files: Sequence[Path]) -> datasets.Features:
        """Columns of a clip; text columns only where the source has them."""
        rating = {"rater": datasets.Value("string"), "score": datasets.Value("int8")}
        texts = text_columns(files)
        if LISTENING in texts:
            rating |= LISTENING_FEATURES
        return datasets.Features(
            {
                **clip_columns(SAMPLING_RATE),
                "group": datasets.Value("string"),
                "emotion": EMOTION,
                "ratings": datasets.List(rating),
                "n_raters": datasets.Value("int8"),
                "mean_0_10": datasets.Value("float32"),
                "majority": datasets.Value("int8"),
                "agreement": datasets.Value("string"),
                "unanimous_present": datasets.Value("bool"),
                **{name: datasets.Value("string") for name in texts if name != LISTENING},
            }
        )

    @classmethod
    def labels(cls, file: Path) -> Iterator[Row]:
        """The columns that come from a shard's labels."""
        return map(_label_columns, read_labels([file]))

    @classmethod
    def clips(cls, file: Path) -> Iterator[Row]:
        """A shard's clips with all columns."""
        for clip in read_clips(file):
            prefix = _GROUP.match(clip.file_name or "")
            columns = {**_label_columns(clip.label), **clip.texts}
            if LISTENING in columns:
                try:
                    heard = listening_of(columns.pop(LISTENING), clip.label.ratings)
                except RawReleaseError as error:
                    where = f"{file.name}, row {clip.label.row}"
                    raise RawReleaseError(f"{where}: {error}") from None
                pairs = zip(columns["ratings"], heard, strict=True)
                columns["ratings"] = [rating | known for rating, known in pairs]
            yield {
                **audio_columns(clip.audio, clip.file_name),
                "group": prefix and prefix[0],
                **columns,
            }

    @classmethod
    def tally(cls, row: Row) -> dict[str, int]:
        """Clips, ratings and unanimous clips; clips of each category and number of raters."""
        return {
            "clips": 1,
            "ratings": row["n_raters"],
            "unanimous_present": int(row["unanimous_present"]),
            f"raters of a clip: {row['n_raters']}": 1,
            f"emotion: {BENCH_NAMES[row['emotion']]}": 1,
            **{f"ratings by {rating['rater']}": 1 for rating in row["ratings"]},
        }

    @classmethod
    def group(cls, row: Row) -> str:
        """`emotions` or `extra` (categories beyond the 40), `unanimous` or `other`."""
        kind = "emotions" if row["emotion"] < len(EMOTION_NAMES) else "extra"
        return f"{kind}-{'unanimous' if row['unanimous_present'] else 'other'}"


def _label_columns(label: Label) -> Row:
    return {
        "emotion": _NUMBER[label.emotion],
        "ratings": [rating._asdict() for rating in label.ratings],
        **summarise(label.ratings)._asdict(),
    }
