"""The word bank and the prompts: whole, in four languages, apart from each other."""

import csv
import json
import re
from itertools import combinations

import pytest

from dataset_scripts.generation import prompts
from dataset_scripts.generation.factors import CHALLENGES, LANGUAGES, TOPICS
from dataset_scripts.generation.texts import (
    PAIR_SHARES,
    PAIRS,
    WORDS,
    bursts,
    compose,
    is_held_out,
    middles,
    sentences,
)
from modeling_empathic.taxonomy import EMOTION_NAMES, resolve

COMMON = {  # words that sentences of a language have and those of the others do not
    "en": "the and is you my was have with not of it i",
    "de": "der die das und ich nicht ein mir den es wir sie",
    "es": "el la que y de no me en un una los se es está",
    "fr": "le la les je et est pas ne un une de des il j",
}


def words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_emotion_has_six_sentences_and_every_topic_three(language):
    bank, about = sentences(language), middles(language)
    assert list(bank) == list(EMOTION_NAMES) and list(about) == list(TOPICS)
    assert {len(texts) for texts in bank.values()} == {6}
    assert {len(texts) for texts in about.values()} == {3}
    texts = [text for group in (*bank.values(), *about.values()) for text in group]
    assert len(set(texts)) == len(texts) == 267
    for text in texts:
        assert 5 <= len(words(text)) <= 20 and text[-1] in ".!?" and text == text.strip()
        assert text[0] in "¿¡" or text[0].isupper()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sentences_are_in_their_language(language):
    text = " ".join(text for group in sentences(language).values() for text in group)
    found = words(text)
    share = {
        key: sum(w in common.split() for w in found) / len(found) for key, common in COMMON.items()
    }
    assert max(share, key=share.get) == language
    assert share[language] > 0.2


def test_no_two_sentences_of_an_emotion_are_nearly_the_same():
    for group in sentences("en").values():
        for one, two in combinations(group, 2):
            a, b = set(words(one)), set(words(two))
            assert len(a & b) / len(a | b) < 0.5, (one, two)


def test_held_out_texts_share_no_sentence_with_the_others():
    kept, held = set(), set()
    for pair in range(len(PAIRS)):
        text_id, text = compose("fr", "Awe", "home", pair, 1)
        own = {sentence for sentence in sentences("fr")["Awe"] if sentence in text}
        assert len(own) == 2
        (held if is_held_out(text_id) else kept).update(own)
    assert len(held) == 2 and len(kept) == 4 and not held & kept
    assert sum(PAIR_SHARES) == pytest.approx(1)


def test_the_files_spell_emotions_as_the_taxonomy_does():
    for name in (*(f"{language}.csv" for language in LANGUAGES), "bursts.csv"):
        with (WORDS / name).open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                assert resolve(row["emotion"]) == row["emotion"]
    assert all(text for row in bursts().values() for text in row.values())


def test_each_template_says_that_it_is_ours_and_its_id_changes_with_its_words(monkeypatch):
    for name in (prompts.ACTOR, prompts.SCORING, prompts.PARAPHRASE):
        first = (prompts.TEMPLATES / f"{name}.txt").read_text("utf-8").splitlines()[0]
        assert "ours" in first and "not public" in first
        assert re.fullmatch(rf"{name}:[0-9a-f]{{8}}", prompts.prompt_id(name))
        assert "ours" not in prompts.template(name).template


def test_the_actors_prompt_names_challenge_accent_and_burst_and_has_no_placeholder_left():
    row = {"target_emotion": "Fear", "target_intensity": 4.0, "language": "de", "accent": ""}
    for challenge in ("", *CHALLENGES):
        prompt = prompts.actor_prompt({**row, "challenge": challenge, "text": "Lauf für $5!"})
        assert prompt.endswith("Lauf für $5!\n") and "German" in prompt and "Aufschrei" in prompt
        assert CHALLENGES.get(challenge, "") in prompt and "accent" not in prompt
        assert not re.search(r"\$[a-z]", prompt)
    english = prompts.actor_prompt(row | {"accent": "Texan", "challenge": "", "text": "x"})
    assert "with a Texan accent" in english


def test_the_scoring_prompt_shows_whole_answers_on_the_papers_scale():
    prompt = prompts.scoring_prompt()
    shots = [json.loads(line) for line in prompt.splitlines() if line.startswith("{")]
    assert len(shots) == 4
    for shot in shots:
        assert [resolve(key) for key in shot] == list(EMOTION_NAMES)
        assert 0 < max(shot.values()) <= 4 and min(shot.values()) == 0
    for name in EMOTION_NAMES:
        assert f"\n{prompts.answer_key(name)}: " in prompt
