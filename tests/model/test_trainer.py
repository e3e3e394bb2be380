"""The stock Trainer trains the model, and gets its checkpoints back whole."""

import pytest
import torch
from transformers import Trainer, TrainingArguments

from tests.support.tiny import tiny_model


class Clips(torch.utils.data.Dataset):
    """Four clips of noise with random labels."""

    def __init__(self, features):
        generator = torch.Generator().manual_seed(0)
        self.features = torch.cat([features, features[:1] * 2])
        self.labels = 4 * torch.rand(4, 4, generator=generator)

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return {"input_features": self.features[i], "labels": self.labels[i]}


def train(folder, features, resume=None, pooled_only=False, **arguments):
    heads = [{"name": f"head {i}", "kind": "pooled"} for i in range(4)] if pooled_only else None
    model = tiny_model(heads) if heads else tiny_model()
    settings = TrainingArguments(
        folder, learning_rate=0.05, report_to=[], use_cpu=True, disable_tqdm=True, save_steps=1,
        per_device_train_batch_size=4, max_steps=2, save_strategy="steps", **arguments,
    )  # fmt: skip
    trainer = Trainer(model, settings, train_dataset=Clips(features), eval_dataset=Clips(features))
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("pooled_only", [False, True], ids=["sharded", "one file"])
def test_the_best_checkpoint_comes_back_heads_included(tmp_path, features, pooled_only):
    from modeling_empathic import EmpathicInsightModel

    trainer = train(
        tmp_path, features, pooled_only=pooled_only, eval_strategy="steps", eval_steps=1,
        load_best_model_at_end=True, metric_for_best_model="loss", greater_is_better=True,
    )  # fmt: skip
    best = EmpathicInsightModel.from_pretrained(trainer.state.best_model_checkpoint)
    other = {"checkpoint-1": "checkpoint-2", "checkpoint-2": "checkpoint-1"}
    name = trainer.state.best_model_checkpoint.split("/")[-1]
    different = EmpathicInsightModel.from_pretrained(tmp_path / other[name])
    stack = "heads.pooled.proj.weight"
    assert not torch.equal(best.state_dict()[stack], different.state_dict()[stack])
    for key, tensor in weights(trainer.model).items():
        assert torch.equal(tensor, best.state_dict()[key]), key


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path, features):
    whole = weights(train(tmp_path / "whole", features, seed=1).model)
    checkpoint = tmp_path / "whole" / "checkpoint-1"
    resumed = weights(train(tmp_path / "resumed", features, resume=str(checkpoint), seed=1).model)
    for key, tensor in whole.items():
        torch.testing.assert_close(resumed[key], tensor, msg=key)


def test_accumulating_gradients_does_not_multiply_them(tmp_path, features):
    norms = []
    for steps in (1, 2, 4):
        torch.manual_seed(0)
        model = tiny_model(dropouts=[0.0] * 4)
        settings = TrainingArguments(
            tmp_path, report_to=[], use_cpu=True, disable_tqdm=True, max_steps=1, logging_steps=1,
            per_device_train_batch_size=4 // steps, gradient_accumulation_steps=steps,
            save_strategy="no", max_grad_norm=1e9,
        )  # fmt: skip
        trainer = Trainer(model, settings, train_dataset=Clips(features))
        trainer.train()
        norms.append(next(r["grad_norm"] for r in trainer.state.log_history if "grad_norm" in r))
    assert norms == pytest.approx([norms[0]] * 3, rel=0.01)
