"""Models of the Hub: classifiers by their labels, language models by the prompt."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers

from evaluate_metrics.adapters import huggingface
from evaluate_metrics.adapters.errors import AdapterError
from evaluate_metrics.adapters.huggingface import HuggingFace, _is_language_model
from evaluate_metrics.adapters.labels import on_0_10
from evaluate_metrics.adapters.prompt import make_prompt
from evaluate_metrics.adapters.runner import run
from evaluate_metrics.adapters.systems import make_adapter
from tests.support.adapter_fakes import make_clips, provenance_of, rows_of

CLIPS = make_clips(2)
LABELS = ["anger", "Surprise", "model_Jealousy_&_Envy_best", "Arousal", "zest", "warble"]


def tiny_classifier(folder, labels=LABELS, problem_type="multi_label_classification", rate=16_000):
    """A Wav2Vec2 of random weights with these labels."""
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        conv_dim=[8, 8], conv_kernel=[10, 8], conv_stride=[5, 8], num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, classifier_proj_size=8, problem_type=problem_type,
        id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)},
    )  # fmt: skip
    transformers.Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=rate).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def collect(tmp_path):
    def collect(adapter, **options):
        output = tmp_path / "out.parquet"
        counts = run(adapter, CLIPS, output, cache_dir=tmp_path / "answers", **options)
        return counts, rows_of(output), provenance_of(output)

    return collect


def test_labels_become_emotions_and_the_others_are_counted(collect, tmp_path):
    model = tiny_classifier(tmp_path / "model")
    counts, rows, provenance = collect(make_adapter("huggingface", model=model))
    scored = {row["emotion"] for row in rows if row["outcome"] == "scored"}
    assert scored == {"Anger", "Astonishment/Surprise", "Jealousy & Envy"}
    assert {row["outcome"] for row in rows} == {"scored", "unmapped"}
    assert counts["unknown_labels"] == {"zest": 2, "warble": 2}
    assert provenance["sdk"].startswith("transformers ")
    assert provenance["settings"]["task"] == "audio-classification"
    assert provenance["prompt_sha256"] is None


def test_scores_are_the_pipelines_own_times_ten(collect, tmp_path):
    model = tiny_classifier(tmp_path / "model")
    _, rows, _ = collect(HuggingFace("huggingface", model))
    from modeling_empathic.audio import load_audio

    samples = load_audio(CLIPS[0][1])
    logits = transformers.AutoModelForAudioClassification.from_pretrained(model)(
        torch.tensor((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7))[None]
    ).logits[0]
    scores = {row["emotion"]: row["score"] for row in rows if row["clip_id"] == CLIPS[0][0]}
    assert scores["Anger"] == pytest.approx(10 * torch.sigmoid(logits)[0].item(), abs=1e-4)


def test_another_sampling_rate_is_resampled_for(collect, tmp_path):
    model = tiny_classifier(tmp_path / "model", rate=8_000)
    adapter = make_adapter("huggingface", model=model)
    seen = []
    inner = adapter._pipeline
    adapter._pipeline = lambda samples, **options: (
        seen.append(len(samples)) or inner(samples, **options)
    )
    adapter._pipeline.feature_extractor = inner.feature_extractor
    collect(adapter)
    assert seen == [4000, 4000]


def test_a_regression_needs_its_scale_and_is_clipped_like_the_papers(collect, tmp_path):
    model = tiny_classifier(tmp_path / "model", problem_type="regression")
    with pytest.raises(AdapterError, match="is a regression: say the scale"):
        make_adapter("huggingface", model=model)
    with pytest.raises(AdapterError, match="'0-5' is not one of"):
        make_adapter("huggingface", model=model, scale="0-5")
    _, rows, provenance = collect(make_adapter("huggingface", model=model, scale="0-4"))
    assert provenance["settings"]["scale"] == "0-4"
    assert all(0 <= row["score"] <= 10 for row in rows if row["outcome"] == "scored")
    assert on_0_10({"a": -0.3, "b": 4.4, "c": 1.0}, "0-4") == {"a": 0.0, "b": 10.0, "c": 2.5}


def test_our_own_models_run_by_the_stock_pipeline_too(collect, model_folder):
    model = make_adapter("huggingface", model=str(model_folder), scale="0-4")
    _, rows, _ = collect(model)
    scored = {row["emotion"] for row in rows if row["outcome"] == "scored"}
    assert scored == {"Anger", "Pleasure/Ecstasy", "Awe"}


def test_a_model_without_emotions_and_no_model_are_said(tmp_path):
    model = tiny_classifier(tmp_path / "model", labels=["LABEL_0", "LABEL_1"])
    with pytest.raises(AdapterError, match=r"none of the 2 labels of .* names an emotion: LABEL_0"):
        make_adapter("huggingface", model=model)
    with pytest.raises(AdapterError, match=r"cannot load .*nowhere"):
        make_adapter("huggingface", model=str(tmp_path / "nowhere"))
    with pytest.raises(AdapterError, match="huggingface needs a model"):
        make_adapter("huggingface")


def test_code_of_a_models_repository_is_never_run(tmp_path):
    config = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(AdapterError, match="cannot load"):
        make_adapter("huggingface", model=str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_clip_on_which_the_model_fails_is_its_own_outcome(collect, tmp_path):
    adapter = make_adapter("huggingface", model=tiny_classifier(tmp_path / "model"))
    inner, calls = adapter._classify, []

    def fails_once(samples):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("out of memory")
        return inner(samples)

    adapter._classify = fails_once
    _, rows, _ = collect(adapter, workers=1)
    assert [row["outcome"] for row in rows][::40][0] == "transport_error"
    assert rows[0]["detail"] == "the model failed: out of memory"
    assert "scored" in {row["outcome"] for row in rows}


def test_language_models_are_told_from_classifiers_by_their_config():
    def config(model_type, *architectures):
        return SimpleNamespace(model_type=model_type, architectures=list(architectures))

    assert _is_language_model(config("qwen2_audio", "Qwen2AudioForConditionalGeneration"))
    assert _is_language_model(config("voxtral", "VoxtralForConditionalGeneration"))
    assert not _is_language_model(config("whisper", "WhisperForAudioClassification"))
    assert not _is_language_model(config("empathic_insight", "EmpathicInsightModel"))


def tiny_language_model(folder):
    """A Qwen2-Audio of random weights and ten words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    special = ["<unk>", "<end>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<|im_start|>"]
    words = [*special, "<|im_end|>", "Listen", "sadness", "{"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>", pad_token="<end>",
        additional_special_tokens=words[2:7],
    )  # fmt: skip
    extractor = transformers.WhisperFeatureExtractor(feature_size=8)
    transformers.Qwen2AudioProcessor(extractor, fast).save_pretrained(folder)
    audio = {"num_mel_bins": 8, "d_model": 8, "encoder_layers": 1, "encoder_attention_heads": 2}
    text = {"vocab_size": 10, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    text |= {"num_attention_heads": 2, "num_key_value_heads": 2}
    config = transformers.Qwen2AudioConfig(
        audio_config={"model_type": "qwen2_audio_encoder", "encoder_ffn_dim": 8, **audio},
        text_config={"model_type": "qwen2", "max_position_embeddings": 4096, **text},
        audio_token_index=2,
    )
    torch.manual_seed(0)
    transformers.Qwen2AudioForConditionalGeneration(config).save_pretrained(folder)
    return str(folder)


def test_a_language_model_gets_prompt_and_audio_as_a_chat(collect, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface, "MAX_NEW_TOKENS", 5)
    adapter = make_adapter("huggingface", model=tiny_language_model(tmp_path / "model"))
    seen, model = [], adapter._pipeline.model
    generate = model.generate
    monkeypatch.setattr(
        model, "generate", lambda **inputs: seen.append(inputs) or generate(**inputs)
    )
    _, rows, provenance = collect(adapter)
    tokens = seen[0]["input_ids"][0].tolist()
    assert (tokens.count(2), tokens.count(7)) == (12, 1)  # half a second at 25 Hz; "Listen"
    assert seen[0]["input_features"].std() > 0
    assert {row["outcome"] for row in rows} == {"parse_error"}
    assert provenance["settings"]["task"] == "any-to-any"
    assert provenance["settings"]["model"].startswith("model@sha256:")
    assert provenance["prompt_sha256"]
    reply = adapter.ask(np.ones(8000, np.float32), make_prompt())
    assert "Listen" not in reply.text.split()[:1]
    with pytest.raises(AdapterError, match="scale is for classifiers"):
        make_adapter("huggingface", model=str(tmp_path / "model"), scale="0-4")


def test_a_checkpoint_whose_head_would_be_random_is_refused_by_what_it_is(tmp_path):
    """As `laion/voice-tagging-whisper`, which writes words and opens as a classifier of noise."""
    folder = tiny_classifier(tmp_path / "model")
    loaded = transformers.Wav2Vec2ForSequenceClassification.from_pretrained(folder)
    loaded.wav2vec2.save_pretrained(folder)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["architectures"] == ["Wav2Vec2Model"]
    with pytest.raises(AdapterError, match=r"is Wav2Vec2Model and no classifier: \d weights"):
        HuggingFace("huggingface", folder)
