"""Acted espeak-ng speech as a data set: audio, and the 40 scores it was acted with."""

import io
from collections.abc import Collection
from typing import Any

import numpy as np

from dataset_scripts.synthesis.acted import ActedClip, acted_corpus
from modeling_empathic.taxonomy import EMOTION_NAMES, resolve


def acted_dataset(
    clips_per_emotion: int,
    split: str = "train",
    seed: int = 0,
    emotions: Collection[str] = EMOTION_NAMES,
) -> Any:
    """A `datasets.Dataset` of `acted_corpus`: `audio` (FLAC), `emotion_scores`, how it was made.

    Args:
        clips_per_emotion: Of each emotion.
        split: `train` or `test`; they share no voice and no sentence.
        seed: The same seed gives the same clips.
        emotions: Only clips of these, in any spelling.

    Raises:
        UserError: Another split.
        UnknownNameError: An unknown emotion.

    Example:
        >>> clips = acted_dataset(1, "test", emotions=["Anger"])
        >>> len(clips), clips[0]["emotion"], clips[0]["language"]
        (1, 'Anger', 'fr')
    """
    from datasets import Audio, Dataset

    wanted = {resolve(name) for name in emotions}
    rows = [_row(clip) for clip in acted_corpus(clips_per_emotion, split, seed, wanted)]
    return Dataset.from_list(rows).cast_column("audio", Audio(decode=False))


def _row(clip: ActedClip) -> dict[str, Any]:
    import soundfile

    scores = np.zeros(len(EMOTION_NAMES))
    scores[EMOTION_NAMES.index(clip.emotion)] = clip.intensity
    file = io.BytesIO()
    soundfile.write(file, clip.audio, clip.sampling_rate, format="FLAC")
    return {
        "audio": {"bytes": file.getvalue(), "path": None},
        "emotion_scores": scores.tolist(),
        "emotion": clip.emotion,
        "intensity": clip.intensity,
        "voice": clip.voice,
        "language": clip.language,
        "text": clip.text,
    }
