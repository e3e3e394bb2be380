"""The prompts: an actor's audition, the scoring of a clip, the rewording of a caption.

Those behind the paper are not public (reference: section 3.2, appendix A.2). These are ours, one
versioned file each in `templates/`: a change of wording is a new file with a new number.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from modeling_empathic.taxonomy import EMOTION_NAMES, EMOTIONS

from .factors import CHALLENGES, LANGUAGES
from .texts import bursts

TEMPLATES = Path(__file__).parent / "templates"
ACTOR, SCORING, PARAPHRASE = "actor_v1", "scoring_v1", "paraphrase_v1"
DEGREES = ("not", "slightly", "clearly", "strongly", "overwhelmingly")
"""How intensities 0 to 4 are called in the actor's prompt."""
# Appendix A.1 repeats terms in two spellings.
_TERMS = {e.name: ", ".join(dict.fromkeys(t.lower() for t in e.descriptors)) for e in EMOTIONS}


@cache
def template(name: str) -> Template:
    """A template without its first line, which says whose it is."""
    about, _, text = (TEMPLATES / f"{name}.txt").read_text("utf-8").partition("\n")
    if not about.startswith("# "):
        raise AssertionError(f"{name}.txt must begin with a line that says whose prompt it is")
    return Template(text)


@cache
def prompt_id(name: str) -> str:
    """A template's name and the beginning of its SHA-256: what `prompt_id` in a data set says.

    Example:
        >>> prompt_id(ACTOR).startswith("actor_v1:")
        True
    """
    return f"{name}:{hashlib.sha256(template(name).template.encode()).hexdigest()[:8]}"


def actor_prompt(row: Mapping[str, Any]) -> str:
    """What the speaking model is asked for one row of a plan.

    Args:
        row: With `target_emotion`, `target_intensity`, `language`, `accent`, `challenge`, `text`.

    Example:
        >>> row = {"target_emotion": "Anger", "target_intensity": 4, "language": "en"}
        >>> row |= {"accent": "Texan", "challenge": "", "text": "Get out!"}
        >>> print(*actor_prompt(row).splitlines()[2:4], sep="; ")  # doctest: +ELLIPSIS
        Emotion: Anger (anger, rage, ...), overwhelmingly present.; Language: English. ...
    """
    emotion, language = row["target_emotion"], row["language"]
    challenge = row["challenge"]
    return template(ACTOR).substitute(
        emotion=emotion,
        terms=_TERMS[emotion],
        degree=DEGREES[round(row["target_intensity"])],
        language=LANGUAGES[language],
        accent=f"Speak it with a {row['accent']} accent." if row["accent"] else "",
        burst=bursts()[emotion][language],
        challenge=f"- The challenge of this take: {CHALLENGES[challenge]}.\n" if challenge else "",
        text=row["text"],
    )


def scoring_prompt() -> str:
    """What a listening model is asked: 40 scores from 0 to 4, after some examples.

    Example:
        >>> scoring_prompt().count('"jealousy_and_envy": ')
        4
    """
    examples = json.loads((TEMPLATES / "scoring_examples_v1.json").read_text("utf-8"))
    shown = []
    for example in examples:
        scores = {answer_key(name): example["scores"].get(name, 0) for name in EMOTION_NAMES}
        shown.append(f"{example['heard']}\n{json.dumps(scores)}\n")
    return template(SCORING).substitute(
        n=len(EMOTION_NAMES),
        emotions="\n".join(f"{answer_key(name)}: {_TERMS[name]}" for name in EMOTION_NAMES),
        examples="\n".join(shown),
    )


def paraphrase_prompt(caption: str) -> str:
    """What a language model is asked to reword.

    Example:
        >>> paraphrase_prompt("The speaker sounds strongly amused.").splitlines()[-1]
        'The speaker sounds strongly amused.'
    """
    return template(PARAPHRASE).substitute(caption=caption)


def answer_key(name: str) -> str:
    """An emotion as a key of an answer: services differ in what else than letters it may hold.

    Example:
        >>> answer_key("Hope/Enthusiasm/Optimism")
        'hope_enthusiasm_optimism'
    """
    return "_".join(re.findall(r"[a-z]+", name.replace("&", "and").lower()))
