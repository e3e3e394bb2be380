"""EmoNet-Voice models on the Hugging Face Hub (LAION, arXiv 2506.09827).

Importing this package registers EmpathicInsight-Voice with transformers, as soon as that is
imported too, so that `AutoModel.from_pretrained` and `pipeline("voice-emotion", ...)` know it
without remote code.
"""

from importlib import import_module
from typing import Any

from . import registration

__version__ = "0.1.0"

_HOME = {  # public name -> module; imported when first asked for
    "AudioError": "audio",
    "EmpathicInsightConfig": "configuration_empathic",
    "EmpathicInsightModel": "modeling_empathic",
    "EmpathicInsightPipeline": "pipeline_empathic",
    "HeadError": "configuration_empathic",
    "NANO": "scoring.loading",
    "load_audio": "audio",
    "resolve": "taxonomy",
    "score_files": "scoring.clips",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__


registration.install()
