"""Makes transformers' Auto classes and pipelines know EmpathicInsight-Voice, when it is there.

Importing transformers' models takes seconds, which the names of the emotions must not cost. So
nothing is imported here: whoever imports transformers, or one of our files that builds on it, has
the model registered once that import is done.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = __name__.rpartition(".")[0]


def install() -> None:
    """Registers now if transformers is imported already, else as soon as it is."""
    if sys.modules.get("transformers"):
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
    for task in PIPELINES.keys() - set(PIPELINE_REGISTRY.get_supported_tasks()):
        PIPELINE_REGISTRY.register_pipeline(
            task, pipeline_class=EmpathicInsightPipeline, pt_model=AutoModel, type="audio"
        )


class _Watch(MetaPathFinder):
    """Calls [`register`] after the outermost import of transformers or of one of our files.

    Not after an inner one: our files import transformers in their first lines, when they have
    nothing to register yet. An import that fails is watched again when it is tried again.
    """

    def __init__(self) -> None:
        self.running: set[str] = set()  # of all threads

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders have, whose loader tells us when it is done."""
        if name != "transformers" and not name.startswith(f"{PACKAGE}."):
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        finds = [finder.find_spec for finder in others if hasattr(finder, "find_spec")]
        spec = next((spec for find in finds if (spec := find(name, path, target))), None)
        loader: Any = spec and spec.loader
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return spec

        def exec_module(module: ModuleType) -> None:
            loader.exec_module = execute
            self.running.add(name)
            try:
                execute(module)
                if self.running == {name} and sys.modules.get("transformers"):
                    self._register()
            finally:
                self.running.discard(name)

        loader.exec_module = exec_module
        return spec

    def _register(self) -> None:
        if self not in sys.meta_path:
            return
        try:
            register()
        except ImportError:
            # Another thread is importing one of our files and waits for transformers, which is
            # ours until we return. It registers when it is done.
            if len(self.running) > 1:
                return
            raise
        sys.meta_path.remove(self)
