"""From an answer to rows: what is scored, what is not, and why."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate_metrics.adapters.prompt import answer_key, make_prompt
from evaluate_metrics.adapters.replies import Reply, read_reply
from evaluate_metrics.emonet_voice import OUTCOMES
from modeling_empathic.taxonomy import BENCH_NAMES, EMOTION_NAMES, resolve

TWO = ("Awe", "Pain")


def outcomes(text, emotions=TWO, **fields):
    rows, _ = read_reply(Reply(text, **fields), emotions)
    return [row.outcome for row in rows]


def details(text, **fields):
    return [row.detail for row in read_reply(Reply(text, **fields), TWO)[0]]


def test_every_key_of_the_prompt_is_a_name_again():
    assert [resolve(answer_key(name)) for name in BENCH_NAMES] == list(BENCH_NAMES)
    assert len({answer_key(name) for name in BENCH_NAMES}) == len(BENCH_NAMES)


def test_the_prompt_names_all_forty_and_its_hash_is_of_its_text():
    prompt = make_prompt()
    assert prompt.emotions == EMOTION_NAMES
    assert all(f"\n{key}: " in prompt.text for key in prompt.keys)
    assert len(prompt.sha256) == 64
    assert prompt.sha256 != make_prompt(["Awe"]).sha256


def test_any_spelling_of_a_name_is_understood():
    text = json.dumps(dict.fromkeys(EMOTION_NAMES, 3))
    assert outcomes(text, EMOTION_NAMES) == ["scored"] * 40
    assert outcomes('{"Surprise": 1, "jealousy & envy": 2}', ("Astonishment/Surprise",)) == [
        "scored"
    ]


def test_a_partial_answer_scores_what_it_has():
    assert outcomes('{"awe": 0}') == ["scored", "unmapped"]


@pytest.mark.parametrize("value", ["11", "-0.1", "true", "null", '"7"', "[1]", "{}", "1e999"])
def test_one_bad_number_is_a_parse_error_of_its_emotion_alone(value):
    assert outcomes(f'{{"awe": {value}, "pain": 4}}') == ["parse_error", "scored"]


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "{'awe': 3}", '{"awe": 3', "[3, 4]", "7", '{"awe": NaN, "pain": 1}', "null",
     "[" * 100_000, '{"awe": ' + "9" * 5000 + "}", "Awe is 3."],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_a_parse_error(text):
    assert outcomes(text) == ["parse_error"] * 2


def test_an_empty_answer_says_so_and_why_the_system_stopped():
    assert details("", finish="length") == ["empty answer (stopped by: length)"] * 2
    assert details("", finish="stop") == ["empty answer"] * 2


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't help with identifying emotions.", "I’m unable to do that.",
     "Sorry, I cannot listen to audio.", "As an AI, I do not hear.", "I can’t assist with that.",
     "Es tut mir leid, dabei kann ich nicht helfen.", "Leider darf ich das nicht bewerten.",
     "Ich kann diese Aufnahme nicht beurteilen.", "Als KI höre ich keine Gefühle.",
     "Lo siento, no puedo ayudar con eso.", "No me es posible analizar este audio.",
     "Lamentablemente no estoy autorizado.", "Como modelo de lenguaje, no oigo nada.",
     "Je suis désolée, je ne peux pas vous aider.", "Je ne suis pas en mesure d’écouter ce son.",
     "Malheureusement, c'est impossible.", "En tant qu’IA, je n'entends rien.",
     '{"error": "I\'m sorry, I can\'t rate this."}', "Unfortunately, I cannot process audio."],
)  # fmt: skip
def test_a_refusal_in_words_is_a_refusal(text):
    assert outcomes(text) == ["refused"] * 2


def test_a_refusal_that_the_service_states_wins_over_the_text():
    assert outcomes('{"awe": 3, "pain": 3}', refusal="safety") == ["refused"] * 2


def test_labels_that_nobody_knows_are_unmapped_and_counted():
    rows, unknown = read_reply(Reply('{"joyfulness": 3, "gloom": 2}'), TWO)
    assert [row.outcome for row in rows] == ["unmapped"] * 2
    assert unknown == ["joyfulness", "gloom"]


def test_two_scores_for_one_emotion_are_a_parse_error():
    assert outcomes('{"awe": 3, "Awe": 4, "pain": 1}') == ["parse_error", "scored"]
    assert outcomes('{"awe": 3, "awe": 3, "pain": 1}') == ["parse_error", "scored"]


def test_a_fence_around_the_json_is_taken_off_and_prose_is_not():
    assert outcomes('```json\n{"awe": 3, "pain": 4}\n```') == ["scored"] * 2
    assert outcomes('Here: {"awe": 3, "pain": 4}') == ["parse_error"] * 2


def test_details_hold_no_line_breaks_escape_codes_or_half_characters():
    for detail in details("bad\x1b[31m\n\ud800" + "x" * 1000):
        assert detail.isprintable()
        assert len(detail) <= 300


@given(st.text() | st.builds(json.dumps, st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["awe", "Pain", "joy"]), inner),
    max_leaves=5,
)))  # fmt: skip
def test_whatever_comes_there_is_one_row_an_emotion_and_a_score_only_when_scored(text):
    rows, _ = read_reply(Reply(text), TWO)
    assert [row.emotion for row in rows] == list(TWO)
    for row in rows:
        assert row.outcome in OUTCOMES
        assert (row.score is not None) == (row.outcome == "scored")
        assert row.score is None or 0 <= row.score <= 10
        assert bool(row.detail) == (row.outcome != "scored")
