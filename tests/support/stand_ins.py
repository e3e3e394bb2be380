"""What the README's lines work on, in small: the public repositories on a local Hub, and EmoDB."""

from pathlib import Path

from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.repositories import ENCODER
from modeling_empathic.taxonomy import ATTRIBUTES, EMOTIONS

from .generalize_maker import emodb_folder, nemo_folder
from .public_heads import save_head
from .raw_release_maker import make_raw_release

SMALL = "laion/Empathic-Insight-Voice-Small"
RAW_BENCH = "t1a5anu-anon/emonet-voice-bench"


def serve_public_release(hub: LocalHub, work: Path, whisper: Path, *, scale: float) -> None:
    """Puts on a Hub what is public today: Small as loose pickles, its encoder, Bench as it is raw.

    Args:
        hub: Local Hub.
        work: Folder for what is made.
        whisper: A tiny Whisper, as `BUD-E-Whisper`.
        scale: Of Bench; 1 is its whole size, of short sounds.
    """
    heads = work / "small-pickles"
    heads.mkdir(parents=True)
    for number, head in enumerate((*EMOTIONS, *ATTRIBUTES)):
        save_head(heads, head.stem, seed=number)
    (heads / "README.md").write_text("Tiny heads in the layout of the public ones.\n")
    hub.add(SMALL, heads, "model")
    hub.add(ENCODER, whisper, "model")
    hub.add(RAW_BENCH, make_raw_release(work / "raw", scale, seconds=0.3, sounds=84), "dataset")


def make_emodb(folder: Path) -> Path:
    """`path/to/emodb` in a folder, and `path/to/nemo` beside it."""
    nemo_folder(folder / "path" / "to" / "nemo")
    return emodb_folder(folder / "path" / "to" / "emodb")
