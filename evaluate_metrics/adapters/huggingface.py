"""Any audio classifier or audio language model that a transformers pipeline can run."""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from modeling_empathic.audio import SAMPLE_RATE

from .errors import AdapterError, RejectedError, one_line
from .labels import as_json, on_0_10, scale_ends
from .prompt import Prompt
from .replies import Reply, canonical

MAX_NEW_TOKENS = 2000
_TRAINING_ONLY = ("masked_spec_embed",)


class HuggingFace:
    """A model from a folder or the Hub. No code of the model's repository is run.

    A classifier's labels are the emotions that `taxonomy.resolve` knows them as; the others are
    counted. Its scores are what the pipeline gives: probabilities, or the raw outputs of a
    regression, whose scale has to be said. A language model is asked by the prompt.

    Args:
        system: Name in `SYSTEMS`.
        model: Folder or Hub id.
        model_revision: Branch, tag or commit on the Hub.
        scale: Of a classifier's scores; "0-1" unless it is a regression.

    Raises:
        AdapterError: A model that cannot be loaded, whose head would be random, that knows no
            emotion, or a missing scale.
    """

    secret = ""

    def __init__(
        self,
        system: str,
        model: str,
        *,
        model_revision: str | None = None,
        scale: str | None = None,
    ):
        import transformers

        import modeling_empathic.registration  # noqa: F401 - so that our own models load too
        from modeling_empathic.scoring.loading import fingerprint

        try:
            config = transformers.AutoConfig.from_pretrained(model, revision=model_revision)
            self.prompted = _is_language_model(config)
            task: Any = "any-to-any" if self.prompted else "audio-classification"
            if self.prompted:
                parts: dict[str, Any] = {"model": model, "revision": model_revision}
            else:
                parts = _classifier(model, model_revision)
            self._pipeline: Any = transformers.pipeline(task, **parts)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise AdapterError(f"cannot load {model}: {one_line(error)}") from None
        self._lock = threading.Lock()  # pipelines are not made for several threads
        if Path(model).is_dir():  # where it lies on this machine is nobody's business
            self._model = f"{Path(model).resolve().name}@{fingerprint(Path(model))}"
        else:
            self._model = f"{model}@{getattr(config, '_commit_hash', None) or model_revision}"
        self.system, self.sdk = system, f"transformers {transformers.__version__}"
        self.settings: dict[str, Any] = {"model": self._model, "task": task}
        if self.prompted:
            if scale is not None:
                raise AdapterError("scale is for classifiers; language models are asked for 0-10")
            self.settings |= {"do_sample": False, "max_new_tokens": MAX_NEW_TOKENS}
            return
        labels = list(config.id2label.values())
        if not any(map(canonical, labels)):
            raise AdapterError(
                f"none of the {len(labels)} labels of {model} names an emotion: "
                f"{', '.join(map(str, labels[:5]))}"
            )
        if config.problem_type == "regression" and scale is None:
            raise AdapterError(f"{model} is a regression: say the scale of its scores")
        self._scale = scale or "0-1"
        scale_ends(self._scale)
        self.settings |= {"scale": self._scale, "labels": len(labels)}

    def ask(self, samples: np.ndarray, prompt: Prompt) -> Reply:
        """Runs the model on a clip; see `Adapter.ask`."""
        extractor = getattr(self._pipeline, "feature_extractor", None)
        extractor = extractor or getattr(self._pipeline.processor, "feature_extractor", None)
        rate = getattr(extractor, "sampling_rate", SAMPLE_RATE)
        if rate != SAMPLE_RATE:
            import soxr

            samples = soxr.resample(samples, SAMPLE_RATE, rate, quality="HQ")
        try:
            with self._lock:
                text = self._generate(samples, prompt) if self.prompted else self._classify(samples)
        except (RuntimeError, ValueError) as error:  # this clip's: too short, out of memory
            raise RejectedError(f"the model failed: {one_line(error)}") from None
        return Reply(text, model=self._model)

    def _classify(self, samples: np.ndarray) -> str:
        rows = self._pipeline(samples, top_k=None)
        return as_json(on_0_10({str(row["label"]): row["score"] for row in rows}, self._scale))

    def _generate(self, samples: np.ndarray, prompt: Prompt) -> str:
        content = [{"type": "audio", "audio": samples}, {"type": "text", "text": prompt.text}]
        answers = self._pipeline(
            text=[{"role": "user", "content": content}],
            return_full_text=False,
            max_new_tokens=MAX_NEW_TOKENS,
            generate_kwargs={"do_sample": False},
        )
        return str(answers[0]["generated_text"])


def _classifier(model: str, revision: str | None) -> dict[str, Any]:
    """A classifier with all of its weights, and its feature extractor.

    transformers fills what a checkpoint lacks with random numbers and goes on: `laion/
    voice-tagging-whisper`, which writes words, opens as a classifier whose head is noise.
    """
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    loaded: Any = AutoModelForAudioClassification.from_pretrained(
        model, revision=revision, output_loading_info=True
    )
    classifier, loading = loaded
    # wav2vec2's mask is used in training alone, and many checkpoints came without it.
    absent = sorted(key for key in loading["missing_keys"] if not key.endswith(_TRAINING_ONLY))
    if absent:
        kind = ", ".join(classifier.config.architectures or ["a model without a named class"])
        raise AdapterError(
            f"{model} is {kind} and no classifier: {len(absent)} weights of its head would be "
            f"random ({', '.join(absent[:3])})"
        )
    extractor = AutoFeatureExtractor.from_pretrained(model, revision=revision)
    return {"model": classifier, "feature_extractor": extractor}


def _is_language_model(config: Any) -> bool:
    from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES

    names = config.architectures or []
    if any("Classification" in name for name in names):
        return False
    return config.model_type in MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES
