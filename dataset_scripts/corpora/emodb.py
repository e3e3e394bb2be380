"""EmoDB (Burkhardt et al. 2005) as a data set, from a folder in its original naming.

`03a01Fa.wav` is speaker 03, sentence a01, Freude, version a. The files may be `.wav` as published
or losslessly repacked as `.flac`; their bytes are kept. Decoding gives the published 16 kHz.
"""

import re
from pathlib import Path
from typing import ClassVar, NamedTuple

from datasets import ClassLabel, Value

from dataset_scripts.corpora.clips import Row
from dataset_scripts.corpora.corpus import ActedCorpus
from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.taxonomy import EMODB_CLASSES


class Speaker(NamedTuple):
    """What the corpus publishes about one of its actors."""

    gender: str
    age: int


SPEAKERS = {
    "03": Speaker("male", 31),
    "08": Speaker("female", 34),
    "09": Speaker("female", 21),
    "10": Speaker("male", 32),
    "11": Speaker("male", 26),
    "12": Speaker("male", 30),
    "13": Speaker("female", 32),
    "14": Speaker("female", 35),
    "15": Speaker("male", 25),
    "16": Speaker("female", 31),
}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
# Wut, Langeweile, Ekel, Angst, Freude, neutral, Trauer: the classes in alphabetical order.
LETTERS = "WLEAFNT"
_NUMBER = {letter: number for number, letter in enumerate(LETTERS)}
_NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<letter>[A-Z])(?P<version>[a-z])")
_PUBLISHED = dict(zip(EMODB_CLASSES, (127, 81, 46, 69, 71, 79, 62), strict=True))


class EmoDB(ActedCorpus):
    """535 acted German utterances of ten speakers in seven classes.

    `fold` is 0 to 9, one a speaker in the order of their numbers: ten speaker-independent folds.
    """

    CLASSES = EMODB_CLASSES
    FOLDS = "leave one speaker out"
    SAMPLING_RATE = 16_000
    SUFFIXES = (".wav", ".flac")
    COLUMNS: ClassVar = {
        "speaker": Value("string"),
        "gender": Value("string"),
        "age": Value("int8"),
        "label": ClassLabel(names=list(EMODB_CLASSES)),
        "sentence": Value("string"),
        "text": Value("string"),
        "version": Value("string"),
        "fold": Value("int8"),
    }

    PUBLISHED: ClassVar = {
        "clips": 535,
        **{f"label: {name}": n for name, n in _PUBLISHED.items()},
        **{
            f"speaker: {name}": n
            for name, n in zip(SPEAKERS, (49, 58, 43, 38, 55, 35, 61, 69, 56, 71), strict=True)
        },
    }
    FACTS: ClassVar = {
        "description": (
            "EmoDB, the Berlin Database of Emotional Speech: ten actors speak ten everyday "
            "sentences in German in seven classes, recorded in an anechoic chamber."
        ),
        "citation": """@inproceedings{burkhardt2005database,
  title = {A Database of {German} Emotional Speech},
  author = {Burkhardt, Felix and Paeschke, Astrid and Rolfes, Miriam and
            Sendlmeier, Walter F. and Weiss, Benjamin},
  booktitle = {Proc. Interspeech},
  pages = {1517--1520},
  year = {2005}
}
""",
        "homepage": "http://emodb.bilderbar.info/docu/",
        "license": (
            "No licence text comes with the recordings; the authors ask to be cited. Check the "
            "homepage before redistributing them."
        ),
    }
    CARD: ClassVar = {
        "pretty_name": "EmoDB",
        "license": "other",
        "license_name": "emodb",
        "license_link": "http://emodb.bilderbar.info/docu/",
        "language": ["de"],
        "task_categories": ["audio-classification"],
        "tags": ["emotion", "speech-emotion-recognition"],
    }
    NOTES: ClassVar = """`fold` is 0 to 9, one a speaker in the order of their numbers: ten
speaker-independent folds. `version` tells takes of one sentence apart; not all were published."""

    @staticmethod
    def parse_name(name: str) -> Row:
        """Speaker, class, sentence and fold from a file name of EmoDB.

        Raises:
            RawReleaseError: A name that is not EmoDB's.

        Example:
            >>> row = EmoDB.parse_name("03a01Fa.wav")
            >>> row["speaker"], list(EMODB_CLASSES)[row["label"]], row["text"]
            ('03', 'happiness', 'Der Lappen liegt auf dem Eisschrank.')
        """
        match = _NAME.fullmatch(Path(name).stem)
        if not match:
            raise RawReleaseError(f"{name} is not a name of EmoDB's, such as 03a01Fa.wav")
        for part, known in (("speaker", SPEAKERS), ("sentence", SENTENCES), ("letter", _NUMBER)):
            if match[part] not in known:
                raise RawReleaseError(
                    f"{name}: {part} {match[part]!r} is not one of {', '.join(known)}"
                )
        speaker = match["speaker"]
        return {
            "speaker": speaker,
            "gender": SPEAKERS[speaker].gender,
            "age": SPEAKERS[speaker].age,
            "label": _NUMBER[match["letter"]],
            "sentence": match["sentence"],
            "text": SENTENCES[match["sentence"]],
            "version": match["version"],
            "fold": list(SPEAKERS).index(speaker),
        }
