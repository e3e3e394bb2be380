"""Makes transformers' Auto classes and pipelines know EmpathicInsight-Voice."""

from transformers import AutoConfig, AutoModel, AutoModelForAudioClassification
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration_empathic import EmpathicInsightConfig
from .modeling_empathic import EmpathicInsightModel
from .pipeline_empathic import EmpathicInsightPipeline
from .saving_empathic import PIPELINES

AutoConfig.register(EmpathicInsightConfig.model_type, EmpathicInsightConfig, exist_ok=True)
AutoModel.register(EmpathicInsightConfig, EmpathicInsightModel, exist_ok=True)
AutoModelForAudioClassification.register(EmpathicInsightConfig, EmpathicInsightModel, exist_ok=True)
for _task, _spec in PIPELINES.items():
    PIPELINE_REGISTRY.register_pipeline(
        _task, pipeline_class=EmpathicInsightPipeline, pt_model=AutoModel, type="audio"
    )
