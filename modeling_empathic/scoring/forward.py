"""Features of windows through a model: encoder states and scores, without gradients."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .profiling import timed


def score_windows(model: Any, features: Any) -> npt.NDArray[np.float32]:
    """Scores of log-mel features `(windows, mel_bins, 3000)` on the model's device.

    Returns:
        `(windows, heads)` float32, on the heads' own scales; of a classifier, probabilities.
    """
    import torch

    from modeling_empathic.stacks_empathic import probabilities

    with torch.inference_mode():
        with timed("encoder", model.device.type):
            states = encode_windows(model, features)
        with timed("heads", model.device.type):
            logits = model(encoder_states=states).logits.float()
            scores: npt.NDArray[np.float32] = (
                probabilities(logits, model.config.problem_type).cpu().numpy()
            )
        return scores


def encode_windows(model: Any, features: Any) -> Any:
    """Encoder states `(windows, positions, d_model)` of log-mel features, without gradients."""
    import torch

    with torch.inference_mode():
        inputs = features.to(model.encoder.dtype)
        # A CPU encodes windows one by one as fast as together, in a fraction of the memory.
        parts = inputs.split(1) if model.device.type == "cpu" else [inputs]
        return torch.cat([model.encoder(part).last_hidden_state for part in parts])


def project_windows(model: Any, features: Any) -> npt.NDArray[np.float32]:
    """First-layer outputs `(windows, heads, projection_dim)` float32 of log-mel features."""
    import torch

    with torch.inference_mode():
        states = encode_windows(model, features)
        output = model(encoder_states=states, output_projections=True)
        projections: npt.NDArray[np.float32] = output.projections.float().cpu().numpy()
        return projections
