"""Is a staged repository what the Hub and the libraries take? The Hub checks little, and late."""

import ast
import os
import re
from pathlib import Path
from typing import Any

from emonet_voice.hub.cards import card_of, python_blocks
from emonet_voice.hub.repositories import (
    NAMESPACE,
    OUTSIDE,
    REPOSITORIES,
    ROOT,
    PublishError,
    Repository,
    project_folder,
)
from modeling_empathic import saving_empathic
from modeling_empathic.report.files import read_json
from modeling_empathic.scoring.conversion import changed
from modeling_empathic.taxonomy import UserError

from .metadata import check_metadata
from .parquet import check_dataset

FILE_BYTES = 50 * 10**9  # what the Hub recommends as the largest file
TEXT_BYTES = 5 * 2**20  # larger files are data; nobody reads them for names
FILES_A_FOLDER = 10_000
_SECRET = re.compile(
    r"hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{32,}|AKIA[0-9A-Z]{16}|AIza[\w-]{35}"
    r"|gh[pousr]_[A-Za-z0-9]{36}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|API_KEY", re.IGNORECASE)
# Every program that Emscripten makes has a home that is nobody's.
_OWN_PATH = re.compile(
    r"(?<![\w./-])(?:/home/(?!web_user\b)|/Users/|/root/|[A-Z]:\\Users\\)[\w.-]+"
)
_LINK = re.compile(
    r"huggingface\.co/(?:(?:datasets|spaces)/)?([A-Za-z0-9][\w.-]*/[\w-]+(?:\.[\w-]+)*)"
)
_NOT_A_REPOSITORY = ("docs", "papers", "collections", "blog", "api", "datasets", "spaces")


def validate(repository: Repository, folder: Path, namespace: str) -> list[str]:
    """What is wrong with a staged repository, each with its file; an empty list if nothing is.

    Args:
        repository: What it should be.
        folder: What would be uploaded.
        namespace: Where to.
    """
    problems = _check_files(folder)
    try:
        metadata, text = card_of(folder)
    except PublishError as error:
        return [*problems, str(error)]
    problems += [f"README.md: {p}" for p in check_metadata(repository.kind, metadata, folder)]
    problems += [f"README.md: {p}" for p in _check_links(metadata, text, namespace)]
    problems += [f"README.md: {p}" for p in _check_blocks(text)]
    if repository.role == "model":
        problems += _check_model(folder)
    if repository.role == "dataset":
        problems += check_dataset(repository.name, folder, metadata)
    if repository.role == "metric":
        problems += _check_metric(repository, folder)
    return problems


def _check_files(folder: Path) -> list[str]:
    """Symbolic links, sizes, leftovers, secrets, and paths of this machine."""
    problems = []
    # Not the value of HF_TOKEN=1 or the like, which is in every file.
    secrets = {v for k, v in os.environ.items() if _SECRET_NAME.search(k) and len(v) >= 12}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            problems.append(f"{name} is a symbolic link")
        elif path.is_dir():
            if sum(1 for _ in path.iterdir()) > FILES_A_FOLDER:
                problems.append(f"{name} has more than {FILES_A_FOLDER:,} files")
        elif {"__pycache__", ".git", ".cache"} & {*name.split("/")} or name.endswith((".pyc", "~")):
            problems.append(f"{name} does not belong into a repository")
        elif path.stat().st_size > FILE_BYTES:
            problems.append(f"{name} is larger than {FILE_BYTES / 1e9:.0f} GB")
        elif path.stat().st_size <= TEXT_BYTES:
            content = path.read_text("utf-8", "replace")
            if _SECRET.search(content) or any(secret in content for secret in secrets):
                problems.append(f"{name} contains a secret")  # which is not shown again here
            own = _OWN_PATH.search(content) or re.search(re.escape(str(ROOT)) + r"\b", content)
            if own and path.suffix not in (".parquet", ".safetensors"):
                problems.append(f"{name} contains a path of this machine: {own[0]}")
    return problems


def _check_links(metadata: dict[str, Any], text: str, namespace: str) -> list[str]:
    """Repositories of our namespace that are in no table, and relative links to no file."""
    names = [repository.name.lower() for repository in REPOSITORIES]
    ours = {namespace.lower(), NAMESPACE}
    known = {f"{owner}/{name}" for owner in ours for name in names}
    known |= {repo_id.lower() for repo_id in OUTSIDE}
    named = {match for match in _LINK.findall(text) if match.split("/")[0] not in _NOT_A_REPOSITORY}
    for key in ("datasets", "models", "base_model", "preload_from_hub"):
        value = metadata.get(key) or []
        named |= {one.split(" ")[0] for one in ([value] if isinstance(value, str) else value)}
    # Names in code and prose count too, where they are of our namespace.
    owners = "|".join(re.escape(owner) for owner in sorted({namespace, NAMESPACE}))
    named |= {*re.findall(rf"(?<![\w/.-])(?:{owners})/[\w-]+(?:\.[\w-]+)*", text)}
    return [
        f"{repo_id} is not in the table of repositories (repositories.py)"
        for repo_id in sorted(named)
        if repo_id.lower() not in known
    ]


def _check_blocks(text: str) -> list[str]:
    problems = []
    for number, block in enumerate(python_blocks(text), 1):
        try:
            ast.parse(block)
        except SyntaxError as error:
            problems.append(f"Python block {number}, line {error.lineno}: {error.msg}")
    return problems


def _check_model(folder: Path) -> list[str]:
    """Weights that are all there, code that is ours, and a feature extractor that fits."""
    problems = []
    try:
        config = read_json(folder / "config.json")
    except UserError as error:
        return [str(error)]
    problems += _check_weights(folder)
    problems += [f"{name} is not as it was converted" for name in changed(folder, weights=True)]
    try:
        entries = [*map(str, config.get("auto_map", {}).values())]
        entries += [task["impl"] for task in config.get("custom_pipelines", {}).values()]
    except (AttributeError, KeyError, TypeError):
        return [*problems, "config.json: auto_map or custom_pipelines is not as `save` writes it"]
    for key in ("auto_map", "custom_pipelines"):
        if not config.get(key):
            problems.append(f"config.json has no {key}")
    for entry in entries:
        module = entry.partition(".")[0]
        if not (folder / f"{module}.py").is_file():
            problems.append(f"config.json names {entry}, but there is no {module}.py")
    for name in saving_empathic.CODE_FILES:
        ours = Path(saving_empathic.__file__).with_name(name).read_bytes()
        if not (folder / name).is_file() or (folder / name).read_bytes() != ours:
            problems.append(f"{name} is not the package's")
    return problems + _check_extractor(folder, config)


def _check_weights(folder: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    index = folder / "model.safetensors.index.json"
    files = {path.name for path in folder.glob("*.safetensors")}
    tensors: dict[str, str] = {}
    problems = []
    for name in sorted(files):
        try:
            with safe_open(folder / name, framework="pt") as weights:
                tensors |= dict.fromkeys(weights.keys(), name)
        except SafetensorError as error:
            problems.append(f"{name} is not a whole safetensors file: {error}")
    if not index.is_file():
        only = {"model.safetensors"}
        return problems if files == only else [*problems, f"weights are {files}, not {only}"]
    try:
        listed = read_json(index).get("weight_map")
    except UserError as error:
        return [*problems, str(error)]
    if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
        return [*problems, f"{index.name} has no weight_map of file names"]
    problems += [
        f"{name} is missing: {index.name} lists it" for name in sorted({*listed.values()} - files)
    ]
    problems += [
        f"{name} is stale: {index.name} does not list it"
        for name in sorted(files - {*listed.values()})
    ]
    if not problems and tensors != listed:
        problems.append(f"{index.name} lists other tensors than the files have")
    return problems


def _check_extractor(folder: Path, config: dict[str, Any]) -> list[str]:
    """The stock extractor, made for the encoder.

    Saving a processor writes processor_config.json, which then wins, and leaves an older
    preprocessor_config.json beside it.
    """
    if (folder / "processor_config.json").exists():
        return ["processor_config.json lies beside preprocessor_config.json: one of them is stale"]
    try:
        extractor = read_json(folder / "preprocessor_config.json")
    except UserError as error:
        return [str(error)]
    encoder = config.get("encoder_config")
    if not isinstance(encoder, dict) or type(encoder.get("max_source_positions")) is not int:
        return ["config.json has no encoder_config with max_source_positions"]
    wanted = {
        "feature_extractor_type": ("WhisperFeatureExtractor", "the stock one needs no trust"),
        "feature_size": (encoder.get("num_mel_bins"), "the encoder's num_mel_bins"),
        "nb_max_frames": (2 * encoder["max_source_positions"], "what the encoder reads"),
    }
    return [
        f"preprocessor_config.json is stale: {key} is {extractor.get(key)!r}, not {value!r} ({why})"
        for key, (value, why) in wanted.items()
        if extractor.get(key) != value
    ]


def _check_metric(repository: Repository, folder: Path) -> list[str]:
    """`evaluate.load` wants a script of the repository's name, and flat siblings of our bytes."""
    problems = []
    if not (folder / f"{repository.name}.py").is_file():
        problems.append(f"evaluate.load looks for {repository.name}.py, which is not there")
    core = project_folder(repository.folders[0])
    for path in sorted(core.glob("*.py")):
        staged = folder / path.name
        if not staged.is_file() or staged.read_bytes() != path.read_bytes():
            problems.append(f"{path.name} is not the package's")
    return problems
