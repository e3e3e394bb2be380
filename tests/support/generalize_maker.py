"""Tiny corpora with real names, and a tiny model with all forty heads."""

from pathlib import Path

from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.tiny import tiny_model

from .scoring_fakes import write_clip


def emodb_folder(folder: Path) -> Path:
    """Twelve clips of four speakers; half are anger."""
    names = ["03a01Wa", "08a01Wa", "12a01Wa", "16a01Wa", "08a02Wa", "12a02Wa"]
    names += ["03a02Fa", "16a02Ta", "03a04Ta", "08a04Na", "12a04La", "16a04Ea"]
    for seed, name in enumerate(names):
        write_clip(folder / f"{name}.wav", seconds=0.6, seed=seed)
    return folder


def ravdess_folder(folder: Path) -> Path:
    """One clip of each class by three actors of three folds."""
    for actor in (1, 5, 9):
        for code in range(1, 9):
            name = f"03-01-{code:02}-01-01-01-{actor:02}"
            write_clip(folder / f"Actor_{actor:02}" / f"{name}.wav", 0.5, seed=10 * actor + code)
    return folder


def nemo_folder(folder: Path) -> Path:
    """Six clips of two speakers."""
    names = [f"{who}_{what}_1" for who in ("EB0", "WR0") for what in ("anger", "sadness", "fear")]
    for seed, name in enumerate(names):
        write_clip(folder / f"{name}.wav", seconds=0.5, seed=50 + seed)
    return folder


def labelled_folder(folder: Path) -> Path:
    """Four clips of two speakers with a CSV; one more that it does not name."""
    lines = ["file,label,speaker,text"]
    for seed, (name, label) in enumerate(
        [("ann/1", "Angry"), ("ann/2", "sad"), ("bob/1", "sadness"), ("bob/2", "anger")]
    ):
        write_clip(folder / f"{name}.wav", seconds=0.5, seed=100 + seed)
        lines.append(f"{name}.wav,{label},{name[:3]},{'Hello.' if seed else ''}")
    write_clip(folder / "extra.wav", seconds=0.3, seed=99)
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def forty_heads(folder: Path) -> Path:
    """A saved tiny model with pooled heads for all emotions."""
    from transformers import WhisperFeatureExtractor

    heads = [{"name": name, "kind": "pooled"} for name in EMOTION_NAMES]
    tiny_model(heads).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder
