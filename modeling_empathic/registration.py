"""Makes transformers' Auto classes and pipelines know EmpathicInsight-Voice, when it is there.

Importing transformers' models takes seconds, which the names of the emotions must not cost. So
nothing is imported here: whoever imports transformers, or one of our files that builds on it, has
the model registered once that import is done.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = __name__.rpartition(".")[0]
BUILT_ON_TRANSFORMERS = (
    "configuration_empathic",
    "checkpoint_empathic",
    "mapping_empathic",
    "modeling_empathic",
    "pipeline_empathic",
    "saving_empathic",
)


def install() -> None:
    """Registers now if transformers is imported already, else as soon as it is."""
    if "transformers" in sys.modules:
        register()
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def register() -> None:
    """Registers configuration, model and the pipeline `voice-emotion`; again does no harm."""
    from transformers import AutoConfig, AutoModel, AutoModelForAudioClassification
    from transformers.pipelines import PIPELINE_REGISTRY

    from .configuration_empathic import EmpathicInsightConfig as Config
    from .modeling_empathic import EmpathicInsightModel as Model
    from .pipeline_empathic import EmpathicInsightPipeline
    from .saving_empathic import PIPELINES

    AutoConfig.register(Config.model_type, Config, exist_ok=True)
    AutoModel.register(Config, Model, exist_ok=True)
    AutoModelForAudioClassification.register(Config, Model, exist_ok=True)
    for task in PIPELINES:
        PIPELINE_REGISTRY.register_pipeline(
            task, pipeline_class=EmpathicInsightPipeline, pt_model=AutoModel, type="audio"
        )


class _Watch(MetaPathFinder):
    """Calls [`register`] after the outermost of the watched imports, when all of them are whole."""

    def __init__(self) -> None:
        self.names = {"transformers", *(f"{PACKAGE}.{name}" for name in BUILT_ON_TRANSFORMERS)}
        self.depth = 0

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders have, whose loader tells us when it is done."""
        if name not in self.names:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                self.depth += 1
                try:
                    execute(module)
                finally:
                    self.depth -= 1
                if self.depth == 0 and self in sys.meta_path:
                    sys.meta_path.remove(self)
                    import_module(__name__).register()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
