"""Staging: each repository's folder exactly as it is uploaded, checked, the same bytes each time.

OUT/models/NAME  OUT/datasets/NAME  OUT/spaces/NAME  OUT/collection/README.md  OUT/staging.json
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from emonet_voice.hub.cards import card_of, write_card
from emonet_voice.hub.repositories import (
    COLLECTION_CARD,
    NAMESPACE,
    ROOT,
    PublishError,
    Repository,
    chosen,
    folder_of,
    project_folder,
)
from modeling_empathic.report.files import locked, read_json, sha256, write_json

from .facts import bench_facts, check_export, repository_facts

MANIFEST = "staging.json"
COLLECTION = Path("collection", "README.md")
MODEL_FILES = ("*.json", "*.safetensors", "LICENSE*")
# What running a Space leaves in its folder, answers of raters among it.
_LEFTOVERS = {"__pycache__", "annotation_data", "flagged"}


class Sources(NamedTuple):
    """What the user gives.

    Attributes:
        models: Folder of model folders, each with the name of its repository.
        bench: A folder that `bench build` made.
        results: Folder of results of `emonet-voice evaluate --output`.
        assert_counts: Refuse a Bench whose counts are not the published ones.
        big: A folder that `big build` made.
    """

    models: Path | None = None
    bench: Path | None = None
    results: Path | None = None
    assert_counts: bool = True
    big: Path | None = None


class Staged(NamedTuple):
    """What was staged.

    Attributes:
        folder: Of all of it.
        repositories: In the order in which they are pushed.
        left_out: Names of those that were not, and why.
    """

    folder: Path
    repositories: list[Repository]
    left_out: dict[str, str]


def stage(
    out: Path,
    sources: Sources | None = None,
    *,
    only: list[str] | None = None,
    namespace: str = NAMESPACE,
) -> Staged:
    """Writes the folders of all repositories that can be made, and checks them.

    `out` appears under its name when everything is in order. Weights and audio are linked where
    the file system can, so that they take no space: do not edit them there.

    Args:
        out: Must not exist, or hold nothing but what this made before, which is replaced.
        sources: What the project does not hold.
        only: Names of repositories; each must be possible.
        namespace: Where they will be.

    Raises:
        PublishError: A repository of `only` that cannot be made, a card whose figures are not of
            its artefact, or what [`validate.validate`] finds.
        OtherCountsError: A corpus that is not the published one, unless `assert_counts` is off.
        BuildError: A corpus that is not as it was built.
    """
    from .validate import validate

    sources = sources or Sources()
    out = out.absolute()
    work = out.with_name(f".{out.name}.staging")
    repositories: list[Repository] = []
    left_out: dict[str, str] = {}
    problems: list[str] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked(out), _left_by_none(work):
        _staged_before(out)
        for repository in chosen(only):
            reason = _not_now(repository, sources)
            if reason and only:
                raise PublishError(f"{repository.name} cannot be staged: {reason}")
            if reason:
                left_out[repository.name] = reason
                continue
            folder = folder_of(work, repository)
            folder.mkdir(parents=True)
            _MAKERS[repository.role](repository, folder, sources, namespace)
            wrong = validate(repository, folder, namespace)
            problems += [f"{repository.name}: {problem}" for problem in wrong]
            repositories.append(repository)
        if problems:
            more = f"; and {len(problems) - 20} more" if problems[20:] else ""
            raise PublishError("; ".join(problems[:20]) + more)
        (work / COLLECTION).parent.mkdir(parents=True)
        facts = repository_facts(chosen()[0], namespace) | {"repositories": repositories}
        (work / COLLECTION).write_text(write_card(COLLECTION_CARD, facts), "utf-8")
        manifest = {"namespace": namespace, "left_out": left_out, "files": list_files(work)}
        write_json(work / MANIFEST, manifest, indent=1)
        _clear(out)
        work.rename(out)
    return Staged(out, repositories, left_out)


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file below a folder, by path."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        entry = {"bytes": path.stat().st_size, "sha256": sha256(path)}
        files[path.relative_to(folder).as_posix()] = entry
    return files


@contextmanager
def _left_by_none(work: Path) -> Iterator[None]:
    """Removes what a killed staging left, and what a failed one would leave."""
    shutil.rmtree(work, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _staged_before(out: Path) -> list[Path]:
    """The files of a folder that was staged before; nothing of it is deleted yet.

    Raises:
        PublishError: Something is there that the manifest does not list: it is somebody's own.
    """
    if not out.exists() and not out.is_symlink():
        return []
    own = PublishError(f"{out} exists and was not staged; name another folder")
    if out.is_symlink() or not out.is_dir():
        raise own
    try:
        listed = set(json.loads((out / MANIFEST).read_text("utf-8"))["files"])
    except FileNotFoundError:
        listed = None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise own from None
    # Found by walking the folder, not by the manifest's word, whose paths could lead out of it.
    files = [path for path in out.rglob("*") if path.is_symlink() or not path.is_dir()]
    names = [path.relative_to(out).as_posix() for path in files]
    if listed is None and files:
        raise own
    others = [name for name in names if name != MANIFEST and name not in (listed or ())]
    if others:
        raise PublishError(
            f"{out} holds {min(others)}, which was not staged; move it, or name another folder"
        )
    return files


def _clear(out: Path) -> None:
    """Deletes what was staged before, the manifest last, so that a killed run can go on."""
    files = _staged_before(out)
    for path in sorted(files, key=lambda path: path == out / MANIFEST):
        path.unlink()
    for folder in sorted((path for path in out.rglob("*") if path.is_dir()), reverse=True):
        folder.rmdir()
    if out.exists():
        out.rmdir()


def _not_now(repository: Repository, sources: Sources) -> str | None:
    """Why a repository cannot be made, or None."""
    missing = [name for name in repository.folders if not project_folder(name).is_dir()]
    if missing:
        return f"there is no {missing[0]}"
    unbuilt = [name for name in repository.built if not project_folder(name).is_dir()]
    if unbuilt:
        return f"there is no {unbuilt[0]}; `make browser` in a checkout makes it"
    if repository.given and not _given(repository, sources):
        made = f"a folder of {repository.given} build"
        hint = f"DIR/{repository.name}" if repository.role == "model" else made
        return f"it needs {repository.given} ({hint})"
    return None


def _given(repository: Repository, sources: Sources) -> Path | None:
    """The folder that the user gave for a repository."""
    if repository.role == "dataset":
        return sources.bench if repository.given == "bench" else sources.big
    folder = sources.models / repository.name if sources.models else None
    return folder if folder and folder.is_dir() else None


# What a folder is made of ------------------------------------------------------------------------


def _model(repository: Repository, folder: Path, sources: Sources, namespace: str) -> None:
    """Weights and configuration from their folder, our code, and the card."""
    from modeling_empathic.saving_empathic import write_code

    from .facts import check_figures, model_results

    source = _given(repository, sources)
    if repository.folders:
        source = project_folder(repository.folders[0])
    assert source is not None
    for pattern in MODEL_FILES:
        for path in sorted(source.glob(pattern)):
            if not path.is_file():
                raise PublishError(f"{path} is no regular file")
            _place(path, folder / path.name)
    if not (folder / "config.json").is_file():
        raise PublishError(f"{repository.name}: {source} has no config.json")
    check_figures(repository.name, folder)
    facts = repository_facts(repository, namespace)
    for name, file in (("report", "training.json"), ("conversion", "conversion.json")):
        if (folder / file).is_file():
            facts[name] = read_json(folder / file)
    facts["config"] = read_json(folder / "config.json")
    facts["results"], metadata = model_results(repository, folder, sources.results, namespace)
    write_code(folder)
    (folder / "README.md").write_text(write_card(str(repository.card), facts, metadata), "utf-8")


def _dataset(repository: Repository, folder: Path, sources: Sources, namespace: str) -> None:
    """Parquet of a built corpus, byte for byte, and a card with the metadata that it was given."""
    from dataset_scripts.building.manifest import assert_published, verify

    from .facts import bench_eval_yaml, big_facts
    from .metadata import size_category

    source = _given(repository, sources)
    assert source is not None
    manifest = verify(source)  # what is not as it was built has no figures
    if manifest.get("corpus") != repository.name.rsplit("-", 1)[-1]:
        raise PublishError(f"{repository.name}: {source} holds {manifest.get('corpus')!r}")
    is_bench = repository.given == "bench"
    if sources.assert_counts and is_bench:
        assert_published(manifest["corpus"], manifest["counts"])
    for path in manifest["files"]:
        if path != "README.md":
            _place(source / path, folder / path)
    built, _ = card_of(source)
    metadata = {key: built[key] for key in ("configs", "dataset_info")}
    metadata["size_categories"] = [size_category(manifest["counts"]["clips"])]
    facts = repository_facts(repository, namespace) | {"manifest": manifest}
    facts |= bench_facts(source, folder) if is_bench else big_facts(manifest)
    if "language" in facts:
        metadata["language"] = facts["language"]
    (folder / "README.md").write_text(write_card(str(repository.card), facts, metadata), "utf-8")
    if is_bench:
        (folder / "eval.yaml").write_text(bench_eval_yaml(), "utf-8")
    manifest["files"]["README.md"] = list_files(folder)["README.md"]
    write_json(folder / "manifest.json", manifest, indent=1)


def _space(repository: Repository, folder: Path, sources: Sources, namespace: str) -> None:
    """Files of the project, one folder over the other; links become what they point to."""
    for name in repository.folders:
        source = project_folder(name)
        for path in sorted(source.rglob("*")):
            relative = path.relative_to(source)
            hidden = any(part.startswith(".") for part in relative.parts)
            if not path.is_file() or hidden or _LEFTOVERS & {*relative.parts}:
                continue
            if not path.resolve().is_relative_to(ROOT):
                raise PublishError(f"{name}/{relative} points out of the project")
            _place(path, folder / relative)
    for name in repository.built:
        check_export(repository.name, project_folder(name))
        for path in sorted(project_folder(name).iterdir()):
            _place(path, folder / Path(name).name / path.name)
    if repository.card:
        text = write_card(repository.card, repository_facts(repository, namespace))
        (folder / "README.md").write_text(text, "utf-8")


_MAKERS = {"model": _model, "dataset": _dataset, "metric": _space, "space": _space}


def _place(source: Path, target: Path) -> None:
    """Copies a file; weights and audio, which are large and never edited, are linked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix in (".safetensors", ".parquet"):
        try:
            os.link(source.resolve(), target)
        except OSError:  # another file system
            pass
        else:
            return
    shutil.copyfile(source, target)
