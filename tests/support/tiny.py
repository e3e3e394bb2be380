"""A tiny model in the shape of the real one."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modeling_empathic import EmpathicInsightModel

TINY_ENCODER = {
    "d_model": 8,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 16,
    "init_std": 0.3,  # states that differ between inputs, unlike the usual 0.02
    "vocab_size": 10,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}
MIXED_HEADS: list[dict[str, Any]] = [
    {"name": "Anger"},
    {"name": "Speech Quality", "kind": "pooled", "scale": [1, 5], "group": "quality"},
    {"name": "Pleasure/Ecstasy"},
    {"name": "Awe", "kind": "pooled"},
]


def tiny_model(heads: list[dict[str, Any]] = MIXED_HEADS, **config: Any) -> "EmpathicInsightModel":
    """A model with random weights whose scores differ between clips and heads."""
    import torch

    from modeling_empathic import EmpathicInsightConfig, EmpathicInsightModel

    config = {"projection_dim": 8, "hidden_dims": [8, 6, 4], **config}
    torch.manual_seed(0)
    model = EmpathicInsightModel(
        EmpathicInsightConfig(encoder_config=dict(TINY_ENCODER), heads=heads, **config)
    )
    return model.eval()
