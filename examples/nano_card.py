"""Nano's model card, written from what `train_nano.py` measured and never by hand."""

from __future__ import annotations

from typing import Any

_FRONT = """---
license: apache-2.0
library_name: transformers
pipeline_tag: audio-classification
language: [en, de, es, fr]
tags: [emotion, speech, speech-emotion-recognition, emonet-voice, whisper]
---
"""


def _per_cent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _range(pair: list[float]) -> str:
    return f"{100 * pair[0]:.1f} to {100 * pair[1]:.1f} %"


def _emodb_section(test: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    rows = [
        ("Accuracy (top-1)", "top1", test["floor_always_anger"]),
        ("Unweighted average recall", "uar", test["floor_uar"]),
        ("Macro-F1", "macro_f1", None),
    ]
    lines = [
        f"### Held-out EmoDB speakers ({', '.join(test['speakers'])}; {test['clips']} clips)",
        "",
        "Seven classes through the paper's Table 11: softmax over the 37 mapped emotions, a class "
        "scores the maximum of its constituents. Speakers were chosen by number before training "
        "and used in no step of it. The clips are the 2.0 s copies, so this is not the paper's "
        "Table 7. Training used other speakers of the same corpus: this is not a zero-shot figure.",
        "",
        "| | Nano | 95 % interval by clip | by speaker (only 4) | always anger |",
        "|---|---|---|---|---|",
    ]
    for title, key, floor in rows:
        by_clip, by_speaker = (test[f"{key}_interval_by_{by}"] for by in ("clip", "speaker"))
        lines.append(
            f"| {title} | **{_per_cent(test[key])}** | {_range(by_clip)} | {_range(by_speaker)} "
            f"| {_per_cent(floor) if floor is not None else ''} |"
        )
    speakers = ", ".join(f"{n} {_per_cent(v)}" for n, v in test["top1_by_speaker"].items())
    lines += [
        "",
        f"By speaker: {speakers}. "
        f"With the mean of the constituents instead of the maximum: "
        f"{_per_cent(test['top1_class_score_mean'])}. On the first two thirds of each clip: "
        f"{_per_cent(measured['emodb_test_speakers_first_two_thirds_top1'])}. The paper's lenient "
        f"rule (any constituent above 1.5 x uniform) hits {_per_cent(test['lenient_hit_rate'])} "
        f"while naming {test['lenient_classes_a_clip']} classes a clip.",
        "",
        "| truth \\ said | " + " | ".join(test["classes"]) + " |",
        "|---|" + "---|" * len(test["classes"]),
    ]
    for name, row in zip(test["classes"], test["confusion_rows_are_truth"], strict=True):
        lines.append(f"| {name} | " + " | ".join(map(str, row)) + " |")
    return [*lines, ""]


def model_card(report: dict[str, Any]) -> str:
    """The card's Markdown with Hub front matter.

    Args:
        report: The content of `training.json`.
    """
    measured, training, machine = report["measured"], report["training"], report["machine"]
    recipe, acted = report["recipe"], report["measured"]["acted_test_voices"]
    lines = [
        _FRONT,
        "# EmpathicInsight-Voice Nano",
        "",
        f"A toy of {report['parameters'] / 1e6:.1f} million parameters "
        f"({report['model_bytes'] / 1e6:.1f} MB) in the shape of EmpathicInsight-Voice "
        "(arXiv 2506.09827): a Whisper encoder and 40 emotion heads, 0 (absent) to 4 (extremely "
        "present).",
        "",
        "**For:** trying `emonet-voice` offline, tests, tutorials, demonstrations without a "
        "download.",
        "**Not for:** research results, products, or judging people in any way. It is not a "
        "release of LAION, and nothing it says about a person's voice is evidence of what that "
        "person feels. For real scores use `laion/Empathic-Insight-Voice-Small` or `-Large`.",
        "",
        "```python",
        "import modeling_empathic",
        "from transformers import AutoModel",
        "",
        'model = AutoModel.from_pretrained("path/to/this/folder")',
        "```",
        "",
        "## How it was trained",
        "",
        f"1. {training['head_acted_clips']} clips "
        f"({60 * training['head_acted_hours']:.0f} minutes) in English, German, "
        "Spanish and French were spoken by espeak-ng, one prosody rule per "
        "emotion (`dataset_scripts/acted_corpus.py`): a caricature, not emotion.",
        f"2. A {recipe['encoder_layers']}-layer encoder (d_model {recipe['d_model']}) learned the "
        f"states of Whisper base after layer {recipe['teacher_layer']}, and the targets of step 3 "
        f"beside them, on {training['distil_clips']} variations of part of those clips and of "
        f"EmoDB clips; {_per_cent(training['distilled']['unexplained_variance'])} of the states' "
        "variance stayed unexplained.",
        f"3. 40 pooled heads were fitted by squared error to the acted intensities and to "
        f"{training['emodb_clips']} EmoDB clips of speakers "
        f"{', '.join(training['emodb_speakers']) or '(none)'} (eponymous emotion 3, the class's "
        "other constituents 1; `neutral` stands under Concentration), with clips cut, joined, "
        "detuned, filtered and levelled at random so that neither length nor loudness is a cue.",
        "",
        f"Seed {recipe['seed']}, {report['wall_time_s'] / 60:.0f} minutes on "
        f"{machine['processors']} processors (shared), {machine['platform']}, torch "
        f"{machine['torch']}, transformers {machine['transformers']}. Rebuild: "
        "`python examples/train_nano.py --teacher openai/whisper-base --emodb EMODB_FOLDER`. All "
        "numbers are in `training.json`.",
        "",
        *(
            [
                "The encoder is from one run of the script, the heads from a later one with "
                "`--heads-only`, after a narrower recipe had left some of the 40 constant.",
                "",
            ]
            if report["heads_only"]
            else []
        ),
        "## What was measured",
        "",
        "On this folder, read back as shipped (fp16 on disk, fp32 arithmetic).",
        "",
    ]
    if "emodb_test_speakers" in measured:
        lines += _emodb_section(measured["emodb_test_speakers"], measured)
    lines += [
        f"### Held-out acted voices and sentences ({acted['clips']} clips)",
        "",
        f"A clip acting an emotion scores higher on it than one that does not with a chance of "
        f"{acted['mean_roc_area']:.3f} (ROC area, mean over the 40; 0.5 is guessing). Mean "
        f"Spearman correlation of score and acted intensity: {acted['mean_spearman']:.3f} (ties "
        f"among the many zeros cap it near 0.27). The highest of the 40 scores is the acted "
        f"emotion's in {_per_cent(acted['top1_of_40'])} (chance 2.5 %). This is about our rules, "
        "not about emotions.",
        "",
        f"Plain espeak speech: {_per_cent(measured['plain_speech_share_within_0_4'])} of all "
        f"scores within 0-4 (a quarter point allowed). Digital silence: largest score "
        f"{measured['digital_silence_largest_score']:.2f}. fp16 against fp32 weights: largest "
        f"difference {measured['fp16_against_fp32_max_error']:.4f}.",
        "",
        "## Limits",
        "",
        f"{len(training['emodb_speakers'])} German actors, ten sentences and a formant "
        "synthesiser are all it ever heard: real, "
        "spontaneous, noisy or non-European speech is outside of what it knows. Of the 40 scores "
        "only those that stand for an EmoDB class (Anger, Emotional Numbness, Disgust, Fear, "
        "Elation, Concentration, Sadness) have met real voices; the others follow our rules.",
        "",
        "## Licences",
        "",
        "Weights: Apache-2.0. Teacher: OpenAI Whisper base (MIT), no weight of it is copied. "
        "EmoDB (Burkhardt et al. 2005) was used for training and is not included. espeak-ng "
        "(GPL-3.0) was used as a tool; no part of it is included.",
        "",
    ]
    return "\n".join(lines)
