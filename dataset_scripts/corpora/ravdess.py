"""RAVDESS speech (Livingstone & Russo 2018) as a data set, from its folders in original naming.

`Actor_12/03-01-06-01-02-01-12.wav`: audio only (03), speech (01), fearful (06), normal intensity
(01), second statement (02), first repetition (01), actor 12. Of everything that can lie in the
same folders, speech that is audio only is taken; songs are counted and left out.
"""

import re
from collections import Counter
from pathlib import Path
from typing import ClassVar

from datasets import ClassLabel, Value

from dataset_scripts.corpora.clips import Row, clip_files
from dataset_scripts.corpora.corpus import ActedCorpus
from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.taxonomy import RAVDESS_CLASSES

N_ACTORS = 24
ACTORS_A_FOLD = 4
SPEECH, SONG = "03-01-", "03-02-"
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
INTENSITIES = {"01": "normal", "02": "strong"}
REPETITIONS = {"01": 1, "02": 2}
# The codes of angry, calm, disgust, fearful, happy, neutral, sad, surprised: alphabetical order.
CODES = ("05", "02", "07", "06", "03", "01", "04", "08")
_NUMBER = {code: number for number, code in enumerate(CODES)}
_NAME = re.compile(
    r"03-01-(?P<emotion>\d\d)-(?P<intensity>\d\d)-(?P<statement>\d\d)-(?P<repetition>\d\d)-"
    r"(?P<actor>\d\d)"
)
_PUBLISHED = dict(zip(RAVDESS_CLASSES, (192, 192, 192, 192, 192, 96, 192, 192), strict=True))


class RAVDESS(ActedCorpus):
    """1,440 acted English utterances of 24 speakers in eight classes.

    `fold` is 0 to 5: fold k has the actors 4k+1 to 4k+4, two women and two men, so that the six
    folds are speaker-independent and balanced in gender.
    """

    CLASSES = RAVDESS_CLASSES
    FOLDS = "six folds of four speakers"
    SAMPLING_RATE = 48_000
    COLUMNS: ClassVar = {
        "speaker": Value("string"),
        "gender": Value("string"),
        "label": ClassLabel(names=list(RAVDESS_CLASSES)),
        "intensity": Value("string"),
        "text": Value("string"),
        "repetition": Value("int8"),
        "fold": Value("int8"),
    }

    PUBLISHED: ClassVar = {
        "clips": 1_440,
        **{f"label: {name}": n for name, n in _PUBLISHED.items()},
        **{f"speaker: {actor:02}": 60 for actor in range(1, N_ACTORS + 1)},
    }
    FACTS: ClassVar = {
        "description": (
            "The speech of RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and "
            "Song: 24 actors speak two statements in North American English in eight classes at "
            "two intensities (neutral at one)."
        ),
        "citation": """@article{livingstone2018ravdess,
  title = {The {Ryerson} Audio-Visual Database of Emotional Speech and Song ({RAVDESS}): A
           dynamic, multimodal set of facial and vocal expressions in {North American English}},
  author = {Livingstone, Steven R. and Russo, Frank A.},
  journal = {PLoS ONE},
  volume = {13},
  number = {5},
  pages = {e0196391},
  year = {2018},
  doi = {10.1371/journal.pone.0196391}
}
""",
        "homepage": "https://zenodo.org/records/1188976",
        "license": "cc-by-nc-sa-4.0",
    }
    CARD: ClassVar = {
        "pretty_name": "RAVDESS speech",
        "license": "cc-by-nc-sa-4.0",
        "language": ["en"],
        "task_categories": ["audio-classification"],
        "tags": ["emotion", "speech-emotion-recognition"],
    }
    NOTES: ClassVar = """`fold` is 0 to 5: fold k has the actors 4k+1 to 4k+4, two women and two
men. The folds are speaker-independent and balanced in gender."""

    @classmethod
    def files(
        cls, source: str | Path, revision: str | None = None
    ) -> tuple[list[Path], str | None]:
        """The clips of speech in a folder, however deep, ordered by actor and name."""
        files, _ = super().files(source, revision)
        speech = [file for file in files if not _is_left_out(file.name)]
        if not speech:
            raise RawReleaseError(f"{source} has no speech (03-01-*.wav)")
        return sorted(speech, key=lambda file: (file.stem[-2:], file.name)), None

    @classmethod
    def ignored(cls, source: str | Path) -> dict[str, int]:
        """How many songs, files of other modalities and copies `files` leaves out."""
        counts = Counter(
            "left out: songs (03-02)" if file.name.startswith(SONG) else "left out: not audio only"
            for file in clip_files(source, cls.SUFFIXES)
            if _is_left_out(file.name)
        )
        return {**super().ignored(source), **counts}

    @staticmethod
    def parse_name(name: str) -> Row:
        """Speaker, class, statement and fold from a file name of RAVDESS speech.

        Raises:
            RawReleaseError: A name that is not one.

        Example:
            >>> row = RAVDESS.parse_name("03-01-06-01-02-01-12.wav")
            >>> list(RAVDESS_CLASSES)[row["label"]], row["intensity"], row["gender"], row["fold"]
            ('fearful', 'normal', 'female', 2)
        """
        match = _NAME.fullmatch(Path(name).stem)
        if not match:
            raise RawReleaseError(
                f"{name} is not a name of RAVDESS speech, such as 03-01-06-01-02-01-12.wav"
            )
        actors = [f"{actor:02}" for actor in range(1, N_ACTORS + 1)]
        for part, known in (
            ("emotion", sorted(CODES)),
            ("intensity", list(INTENSITIES)),
            ("statement", list(STATEMENTS)),
            ("repetition", list(REPETITIONS)),
            ("actor", actors),
        ):
            if match[part] not in known:
                raise RawReleaseError(
                    f"{name}: {part} {match[part]!r} is not one of {known[0]} to {known[-1]}"
                )
        actor = int(match["actor"])
        return {
            "speaker": match["actor"],
            "gender": "male" if actor % 2 else "female",
            "label": _NUMBER[match["emotion"]],
            "intensity": INTENSITIES[match["intensity"]],
            "text": STATEMENTS[match["statement"]],
            "repetition": REPETITIONS[match["repetition"]],
            "fold": (actor - 1) // ACTORS_A_FOLD,
        }


def _is_left_out(name: str) -> bool:
    """A name in the corpus's manner, but not of speech; any other name is an error later."""
    return bool(re.match(r"\d\d-\d\d-", name)) and not name.startswith(SPEECH)
