"""What corpora call the coarse classes, in their codes and languages.

Compared in small letters without accents (`tables.plain`). Codes of one or two letters and
numbers mean other things in each corpus (A is anger, or Angst) and are in no list: whoever has them
says what they are.
"""

from modeling_empathic.heads_empathic import CLASS_SPELLINGS
from modeling_empathic.training.tables import plain

_WORDS = {
    "anger": "ang wut ärger zorn wütend colère ira rabia enojo enfado rabbia rab raiva gniew złość "
    "öfke",
    "boredom": "bor langeweile gelangweilt ennui aburrimiento noia tédio nuda",
    "calm": "cal ruhe ruhig calme calma calmo spokój",
    "disgust": "dis ekel dégoût asco disgusto nojo wstręt obrzydzenie iğrenme",
    "fear": "fea angst furcht peur miedo paura pau medo strach korku",
    "happiness": "hap freude fröhlich glücklich joie alegría felicidad gioia gio felicità alegria "
    "felicidade radość mutluluk",
    "neutral": "neu neutre neutro neutra neutralità neutralny neutralność nötr normal",
    "sadness": "trauer traurig traurigkeit tristesse triste tristeza tristezza tri smutek üzüntü",
    "surprise": "sur überraschung überrascht sorpresa sor surpresa zaskoczenie şaşkınlık ps "
    "pleasant_surprise pleasant_surprised pleasantly_surprised",
}

CLASS_OF_WORD = {
    plain(word): name
    for name, words in _WORDS.items()
    for word in (name, *CLASS_SPELLINGS[name], *words.split())
}
"""Word, as `plain` makes it -> its class."""
