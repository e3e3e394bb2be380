"""The zero-shot prompt for audio language models, and the JSON schema of its answer.

The prompts behind the paper's Tables 5 and 6 are not public. This one is ours: figures made with
it are not the paper's figures again. Its text and SHA-256 go into every prediction file.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from dataset_scripts.generation.prompts import answer_key
from modeling_empathic.taxonomy import EMOTION_NAMES, head, resolve

_INSTRUCTION = """\
Listen to the recording of a voice. For each emotion in the list below, rate how strongly the \
voice conveys it:

0 = not present, 5 = weakly present, 10 = strongly present; any number between 0 and 10 is allowed.

Judge how the voice sounds, not what the words say. Emotions can be mixed; most are absent from \
most recordings. Rate every emotion, also those that you are unsure about.

Emotions, as key: meaning
{emotions}

Answer with one JSON object and nothing else. It has exactly these {n} keys, each with a number."""


_CLOSING = """

Emotions, as key: meaning
{emotions}

Answer with one JSON object and nothing else. It has exactly these {n} keys, each with a number."""

INSTRUCTIONS = (
    _INSTRUCTION,
    """\
You are an expert in how emotion sounds. Hear this recording of a person. Give every emotion in \
the list a number from 0 to 10 for its intensity in the voice: 0 if it cannot be heard, 5 if it is \
there but slight, 10 if it is unmistakable. Go by tone, pitch, loudness, tempo and non-verbal \
sounds, not by the words. Several emotions may be there at once, and most will be at 0. Leave none \
out."""
    + _CLOSING,
    """\
Rate the following voice clip as a listener would who does not know its language. For each emotion \
below say on a scale of 0 to 10 how much of it you hear: 0 none, 5 some, 10 very much; numbers in \
between are welcome. What is said does not matter, only how it is said. Rate all emotions, and \
give 0 to those that you do not hear."""
    + _CLOSING,
)
"""Wordings of the same question: answers differ with the wording, their mean less (an ensemble)."""


class Prompt(NamedTuple):
    """What a language model is asked.

    Attributes:
        text: Goes before the audio.
        emotions: Canonical names, in order.
        keys: The same as keys of the answer: letters and underscores only, because services differ
            in what else a key may hold (seven of the names have a slash).
    """

    text: str
    emotions: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer: an object with a number for each key."""
        return {
            "type": "object",
            "properties": {key: {"type": "number"} for key in self.keys},
            "required": list(self.keys),
            "additionalProperties": False,
        }


def make_prompt(emotions: Sequence[str] = EMOTION_NAMES, wording: int = 0) -> Prompt:
    """The prompt for these emotions, each with its terms of paper appendix A.1.

    Args:
        emotions: Names in any spelling.
        wording: Which of `INSTRUCTIONS`.

    Raises:
        UnknownNameError: A name that is not in the taxonomy.

    Example:
        >>> prompt = make_prompt(["Awe", "Jealousy & Envy"])
        >>> prompt.keys
        ('awe', 'jealousy_and_envy')
        >>> "awe: awe; awestruck; wonder" in prompt.text
        True
    """
    names = tuple(dict.fromkeys(resolve(name) for name in emotions))
    keys = tuple(answer_key(name) for name in names)
    lines = []
    for name, key in zip(names, keys, strict=True):
        # Appendix A.1 repeats terms in two spellings.
        terms = dict.fromkeys(term.lower() for term in getattr(head(name), "descriptors", ()))
        lines.append(f"{key}: {'; '.join(terms)}" if terms else key)
    text = INSTRUCTIONS[wording].format(emotions="\n".join(lines), n=len(keys))
    return Prompt(text, names, keys)
