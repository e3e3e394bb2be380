"""On a card the features of a batch are computed together: the same rows, the same scores."""

import numpy as np

from modeling_empathic.scoring import clips
from modeling_empathic.scoring.clips import score_files
from modeling_empathic.scoring.loading import load_model
from modeling_empathic.scoring.log_mel import LogMel
from tests.support.scoring_fakes import write_clip


def test_clips_are_scored_alike_where_a_card_computes_the_features(
    model_folder, tmp_path, monkeypatch
):
    model, extractor, _ = load_model(
        str(model_folder), revision=None, heads=[], device="cpu", dtype="auto"
    )
    files = [write_clip(tmp_path / f"{s}.wav", s, seed=i) for i, s in enumerate((0.5, 2.0, 33.0))]
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    files.insert(1, tmp_path / "bad.wav")
    by_threads = list(score_files(files, model, extractor, batch_size=2))
    monkeypatch.setattr(clips, "_log_mel", lambda device, extractor: LogMel(80, 30))
    by_card = list(score_files(files, model, extractor, batch_size=2))
    names = model.config.head_names
    assert [row["outcome"] for row in by_card] == [row["outcome"] for row in by_threads]
    for ours, theirs in zip(by_card, by_threads, strict=True):
        assert {k: v for k, v in ours.items() if k not in names} == {
            k: v for k, v in theirs.items() if k not in names
        }
        if ours["outcome"] == "scored":
            np.testing.assert_allclose(
                [ours[n] for n in names], [theirs[n] for n in names], atol=1e-4
            )
