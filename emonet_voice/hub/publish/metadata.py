"""The metadata of a card against what the Hub documents; it checks only when a card is uploaded.

Sources: huggingface.co/docs/hub, pages "Licenses", "Model cards", "Dataset cards" and "Spaces
configuration reference"; task names from the `tasks` package of huggingface.js.
"""

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modeling_empathic.report.files import is_hub_id


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LICENSES = _words(
    """apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m
    bigscience-bloom-rail-1.0 bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause
    bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
    cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1
    eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0
    odc-by odbl openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl unknown
    other"""
)
TASKS = _words(
    """audio-classification audio-to-audio automatic-speech-recognition text-to-speech text-to-audio
    voice-activity-detection feature-extraction audio-text-to-text any-to-any tabular-regression
    text-classification other"""
)
"""Tasks that something made of voices can have."""
TASK_IDS = _words(
    """audio-emotion-recognition audio-intent-classification audio-language-identification
    keyword-spotting speaker-identification"""
)
"""Parts of audio classification."""
LANGUAGES = _words(
    """aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy
    da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy
    hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li
    ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa
    pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th
    ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    multilingual"""
)
SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M")
COLORS = _words("red yellow green blue indigo purple pink gray")
CREATORS = _words("crowdsourced found expert-generated machine-generated no-annotation other")

_TEXT = "pretty_name title app_file library_name sdk_version license_name license_link model_name"
_LISTS = "tags metrics datasets models base_model preload_from_hub"
_KEYS = {
    "model": """license license_name license_link language library_name pipeline_tag tags base_model
        base_model_relation datasets metrics widget model-index inference new_version
        thumbnail""",
    "dataset": """license license_name license_link language pretty_name task_categories task_ids
        size_categories annotations_creators language_creators multilinguality source_datasets tags
        configs dataset_info viewer paperswithcode_id""",
    "space": """title emoji colorFrom colorTo sdk sdk_version python_version app_file app_port
        base_path fullWidth header pinned license short_description suggested_hardware
        suggested_storage models datasets tags thumbnail preload_from_hub hf_oauth hf_oauth_scopes
        hf_oauth_expiration_minutes disable_embedding startup_duration_timeout custom_headers
        description""",
}
_REQUIRED = {
    "model": "license language library_name pipeline_tag tags",
    "dataset": "license language pretty_name task_categories size_categories tags configs",
    "space": "title emoji colorFrom colorTo sdk app_file license short_description",
}
_BOOLEANS = _words("pinned hf_oauth fullWidth disable_embedding inference viewer")


def check_metadata(kind: str, metadata: dict[str, Any], folder: Path) -> list[str]:
    """What the Hub would refuse or ignore.

    Args:
        kind: `model`, `dataset` or `space`.
        metadata: Of the card.
        folder: The repository, for files that the metadata names.

    Example:
        >>> card = {"license": "apache", "tags": ["a"], "language": "en", "library_name": "x"}
        >>> check_metadata("model", card | {"pipeline_tag": "audio-classification"}, Path())
        ["license 'apache' is not one that the Hub knows, such as apache-2.0, other"]
    """
    problems = [
        f"metadata lacks {key}"
        for key in _REQUIRED[kind].split()
        if metadata.get(key) in (None, "", [])
    ]
    problems += [
        f"metadata key {key!r} is unknown to the Hub"
        for key in metadata
        if key not in _KEYS[kind].split()
    ]
    for key, value in metadata.items():
        problems += _check_value(key, value)
    if metadata.get("license") == "other" and not metadata.get("license_name"):
        problems.append("license 'other' needs license_name")
    if kind == "space":
        problems += _check_space(metadata, folder)
    return problems


def _check_value(key: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    known: dict[str, Any] = {
        "license": LICENSES,
        "language": LANGUAGES,
        "pipeline_tag": TASKS,
        "task_categories": TASKS,
        "task_ids": TASK_IDS,
        "size_categories": SIZES,
        "colorFrom": COLORS,
        "colorTo": COLORS,
        "sdk": ("gradio", "docker", "static"),
        "annotations_creators": CREATORS,
        "language_creators": CREATORS,
        "multilinguality": ("monolingual", "multilingual", "translation", "other"),
    }
    if key in known:
        return [_unknown(key, one, known[key]) for one in values if one not in known[key]]
    if key in _BOOLEANS and not isinstance(value, bool):
        return [f"{key} is true or false, not {value!r}"]
    if key in _TEXT.split() and not isinstance(value, str):
        return [f"{key} is text, not {value!r}"]
    if key in _LISTS.split() and not all(isinstance(one, str) and one for one in values):
        return [f"{key} is a list of texts, not {value!r}"]
    if key in ("datasets", "models", "base_model", "preload_from_hub"):
        # `preload_from_hub` may go on with the names of files.
        ids = [one.split(" ")[0] for one in values]
        return [f"{key}: {one!r} is no owner/name" for one in ids if not is_hub_id(one)]
    return []


def _unknown(key: str, value: Any, known: Any) -> str:
    near = difflib.get_close_matches(str(value), sorted(known), n=2, cutoff=0)
    return f"{key} {value!r} is not one that the Hub knows, such as {', '.join(near)}"


def _check_space(metadata: dict[str, Any], folder: Path) -> list[str]:
    from huggingface_hub import SpaceHardware

    problems = []
    tests: dict[str, tuple[Callable[[Any], Any], str]] = {
        "sdk_version": (lambda v: re.fullmatch(r"\d+\.\d+\.\d+", str(v)), "a whole version"),
        "python_version": (lambda v: re.fullmatch(r"3\.\d+(\.\d+)?", str(v)), "a Python version"),
        "short_description": (lambda v: len(str(v)) <= 60, "at most 60 characters"),
        "emoji": (lambda v: not str(v).isascii() and len(str(v)) <= 4, "one emoji"),
        "app_file": (lambda v: (folder / str(v)).is_file(), "a file of the repository"),
        "suggested_hardware": (
            lambda v: v in [one.value for one in SpaceHardware],
            "hardware that the Hub has",
        ),
    }
    for key, (holds, wanted) in tests.items():
        if key in metadata and not holds(metadata[key]):
            problems.append(f"{key} {metadata[key]!r} is not {wanted}")
    # YAML reads 3.10 as a number: 3.1.
    if isinstance(metadata.get("python_version"), float):
        problems.append("python_version needs quotes: YAML reads it as a number")
    if metadata.get("sdk") == "static":  # files alone: nothing is installed
        return problems
    if metadata.get("sdk_version") in (None, ""):
        problems.append("metadata lacks sdk_version")
    if not (folder / "requirements.txt").is_file():
        problems.append("a Space needs requirements.txt")
    return problems


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows.

    Example:
        >>> size_category(999), size_category(12_600)
        ('n<1K', '10K<n<100K')
    """
    limits = (10**3, 10**4, 10**5, 10**6, 10**7)
    return SIZES[sum(rows >= limit for limit in limits)]
