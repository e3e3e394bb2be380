"""A clip's scores do not depend on what is scored beside it, nor on who pads it how far."""

import random

import numpy as np
import pytest
import torch

from modeling_empathic import NANO, load_audio
from modeling_empathic.scoring.clips import score_groups
from modeling_empathic.scoring.loading import load_model
from tests.support.places import REPOSITORY

CLIPS = sorted((REPOSITORY / "examples" / "clips").glob("*.flac"))
TOLERANCE = 1e-5  # float32, other shapes of the same sums


@pytest.fixture(scope="module", name="nano")
def nano_fixture():
    return load_model(NANO, revision=None, heads=[], device="cpu", dtype="float32")


def scores(clips, nano, batch_size, workers=1):
    model, extractor, _ = nano
    groups = score_groups(clips, model, extractor, batch_size=batch_size, workers=workers)
    rows = [row for group in groups for clip in group for row in clip]
    return {row["path"]: np.array([row[n] for n in model.config.head_names]) for row in rows}


def test_in_any_company(nano):
    together = scores([str(clip) for clip in CLIPS], nano, 8)
    for clip in CLIPS:
        alone = scores([str(clip)], nano, 1)[str(clip)]
        np.testing.assert_allclose(alone, together[str(clip)], atol=TOLERANCE)


def test_as_the_pipeline_which_pads_to_30_s(nano):
    model, extractor, _ = nano
    for path, row in scores([str(clip) for clip in CLIPS], nano, 3).items():
        padded = extractor(load_audio(path), sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            features = torch.as_tensor(padded["input_features"])
            expected = model(input_features=features).logits[0].numpy()
        np.testing.assert_allclose(row, expected, atol=TOLERANCE)


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (4, 2)])
def test_in_any_order_by_any_number_of_workers_and_threads(nano, workers, threads):
    clips = [str(clip) for clip in CLIPS]
    shuffled = random.Random(workers).sample(clips, len(clips))
    expected, before = scores(clips, nano, 8), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = scores(shuffled, nano, 3, workers)
    finally:
        torch.set_num_threads(before)
    for clip in clips:
        np.testing.assert_allclose(found[clip], expected[clip], atol=TOLERANCE)
