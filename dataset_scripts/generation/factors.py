"""What the paper's design of Big varies, and how much of each there is (section 3.2, Table 2).

Known from the paper: languages, accents and their hours, 40 emotions, eleven voices of which six
are female, a part for acting challenges. Not published, and therefore ours: topics, challenges, how
strong the emotion is to be, and which six of the public voices count as female.
"""

from typing import NamedTuple

LANGUAGES = {"en": "English", "de": "German", "es": "Spanish", "fr": "French"}

ACCENT_HOURS = {
    "Louisiana": 133,
    "Valley Girl": 159,
    "British": 132,
    "Chinese": 126,
    "French": 140,
    "German": 135,
    "Indian": 129,
    "Italian": 134,
    "Mexican": 131,
    "Russian": 134,
    "Spanish": 132,
    "Texan": 131,
    "Vulgar Street": 149,
    "": 391,  # "No accent specified"
}
"""English accents and their hours."""

VOICES = {
    "alloy": "female",
    "ash": "male",
    "ballad": "male",
    "coral": "female",
    "echo": "male",
    "fable": "female",
    "nova": "female",
    "onyx": "male",
    "sage": "female",
    "shimmer": "female",
    "verse": "male",
}
"""OpenAI's names, as in the public release. The paper says six female and five male, not which."""

TOPICS = ("work", "family", "travel", "food", "weather", "money", "health", "music", "home")

CHALLENGES = {
    "whispering": "whisper throughout, as if somebody in the next room must not hear it",
    "shouting": "shout across a busy street, so that the other side can hear it",
    "hiding it": "try to hide the emotion from the listener, and fail",
    "out of breath": "speak out of breath, as if you had just run up the stairs",
    "half asleep": "speak as if you had been woken a moment ago",
    "holding back tears": "speak while holding back tears",
    "on stage": "speak as on a large stage without a microphone: slow, wide and clear",
}
"""Of the part `acting_challenge`: what makes the acting hard, and how the prompt says it."""

INTENSITIES = (1, 2, 3, 4)
INTENSITY_SHARES = (0.1, 0.2, 0.3, 0.4)
"""The paper asks for strong emotion, and Bench for different intensities of it."""

CLIP_S = 10.36
"""Mean length of a clip in Bench, which was drawn from Big (Table 3)."""

FACTORIAL, CHALLENGE = "factorial", "acting_challenge"


class Stratum(NamedTuple):
    """What has hours of its own in Table 2; of the challenges' 111 hours half are German."""

    part: str
    language: str
    accent: str
    hours: float


STRATA = (
    *(Stratum(FACTORIAL, "en", accent, hours) for accent, hours in ACCENT_HOURS.items()),
    Stratum(FACTORIAL, "de", "", 716),
    Stratum(FACTORIAL, "es", "", 888),
    Stratum(FACTORIAL, "fr", "", 881),
    Stratum(CHALLENGE, "en", "", 55.5),
    Stratum(CHALLENGE, "de", "", 55.5),
)
TOTAL_HOURS = sum(stratum.hours for stratum in STRATA)
if (TOTAL_HOURS, sum(ACCENT_HOURS.values())) != (4752, 2156):
    raise AssertionError("the hours of STRATA must be those of Table 2")
