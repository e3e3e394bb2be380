"""nEMO (Christop 2024) as a data set, from a folder in its original naming.

`EB0_anger_15.wav` is actor EB0, anger, sentence 15. The files may be `.wav` as published or
losslessly repacked as `.flac`; their bytes are kept. The paper has no nEMO: the classes take the
emotions that Table 11 has for RAVDESS's, the one of its two corpora with surprise.
"""

import re
from pathlib import Path
from typing import ClassVar

from datasets import ClassLabel, Value

from dataset_scripts.corpora.clips import Row
from dataset_scripts.corpora.coarse import emotions_of
from dataset_scripts.corpora.corpus import ActedCorpus
from dataset_scripts.corpora.raw_release import RawReleaseError

SPEAKERS = {
    "EB0": ("female", 27),
    "IC0": ("female", 28),
    "KD0": ("female", 28),
    "KS0": ("male", 23),
    "MK0": ("female", 23),
    "MP0": ("male", 24),
    "SM0": ("male", 24),
    "TP0": ("male", 26),
    "WR0": ("male", 23),
}
"""Gender and age of each actor."""
N_SENTENCES = 90
CLASSES = ("anger", "fear", "happiness", "neutral", "sadness", "surprised")
_NAME = re.compile(r"(?P<speaker>[A-Z]{2}\d)_(?P<emotion>[a-z]+)_(?P<sentence>\d{1,2})")


class NEMO(ActedCorpus):
    """4,481 acted Polish utterances of nine speakers in six classes.

    `fold` is 0 to 8, one a speaker in the order of their names: nine speaker-independent folds.
    """

    CLASSES: ClassVar = emotions_of(CLASSES)
    FOLDS = "leave one speaker out"
    SAMPLING_RATE = 24_000
    SUFFIXES = (".wav", ".flac")
    COLUMNS: ClassVar = {
        "speaker": Value("string"),
        "gender": Value("string"),
        "age": Value("int8"),
        "label": ClassLabel(names=list(CLASSES)),
        "sentence": Value("int8"),
        "fold": Value("int8"),
    }

    PUBLISHED: ClassVar = {"clips": 4_481}
    FACTS: ClassVar = {
        "description": (
            "nEMO: nine actors speak ninety sentences in Polish, chosen for their phonemes, in six "
            "emotional states, anger, fear, happiness, sadness, surprise and a neutral one."
        ),
        "citation": """@inproceedings{christop2024nemo,
  title = {{nEMO}: Dataset of Emotional Speech in {Polish}},
  author = {Christop, Iwona},
  booktitle = {Proc. LREC-COLING},
  year = {2024}
}
""",
        "homepage": "https://github.com/amu-cai/nEMO",
        "license": "cc-by-nc-sa-4.0",
    }
    CARD: ClassVar = {
        "pretty_name": "nEMO",
        "license": "cc-by-nc-sa-4.0",
        "language": ["pl"],
        "task_categories": ["audio-classification"],
        "tags": ["emotion", "speech-emotion-recognition"],
    }
    NOTES: ClassVar = """`fold` is 0 to 8, one a speaker in the order of their names: nine
speaker-independent folds. What the sentences say is in the corpus's own table."""

    @staticmethod
    def parse_name(name: str) -> Row:
        """Speaker, class, sentence and fold from a file name of nEMO.

        Raises:
            RawReleaseError: A name that is not nEMO's.

        Example:
            >>> row = NEMO.parse_name("WR0_surprised_7.wav")
            >>> row["speaker"], CLASSES[row["label"]], row["sentence"], row["age"], row["fold"]
            ('WR0', 'surprised', 7, 23, 8)
        """
        match = _NAME.fullmatch(Path(name).stem)
        if not match:
            raise RawReleaseError(f"{name} is not a name of nEMO's, such as EB0_anger_15.wav")
        for part, known in (("speaker", SPEAKERS), ("emotion", CLASSES)):
            if match[part] not in known:
                raise RawReleaseError(
                    f"{name}: {part} {match[part]!r} is not one of {', '.join(known)}"
                )
        sentence = int(match["sentence"])
        if not 1 <= sentence <= N_SENTENCES:
            raise RawReleaseError(f"{name}: sentence {sentence} is not 1 to {N_SENTENCES}")
        gender, age = SPEAKERS[match["speaker"]]
        return {
            "speaker": match["speaker"],
            "gender": gender,
            "age": age,
            "label": CLASSES.index(match["emotion"]),
            "sentence": sentence,
            "fold": list(SPEAKERS).index(match["speaker"]),
        }
