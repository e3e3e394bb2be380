"""The manifest of a built corpus: what every file must be, and whether it still is."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataset_scripts.corpora import corpus_class
from modeling_empathic.report.files import read_json, sha256
from modeling_empathic.taxonomy import UserError

MANIFEST = "manifest.json"
_BUILT_FILE = re.compile(r"README\.md|(?:data|ratings)/[\w-]+\.parquet")


class BuildError(UserError):
    """A corpus that cannot be built, or a built folder that is not whole; the message says why."""


class OtherCountsError(BuildError):
    """A source whose counts are not the published ones; the message has both."""


def assert_published(corpus: str, counts: Mapping[str, int]) -> None:
    """Raises OtherCountsError where a corpus has other counts than its authors published.

    Args:
        corpus: One of `corpora.CORPORA`.
        counts: Of a build, by the keys of `tally`.

    Example:
        >>> assert_published("emodb", {})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        dataset_scripts.building.manifest.OtherCountsError: not the published corpus: clips 0 ...
    """
    other = [
        f"{key} {counts.get(key, 0):,} (published: {n:,})"
        for key, n in corpus_class(corpus).PUBLISHED.items()
        if counts.get(key, 0) != n
    ]
    if other:
        shown = "; ".join(other[:8]) + (f"; and {len(other) - 8} more" if other[8:] else "")
        raise OtherCountsError(f"not the published corpus: {shown}")


def verify(folder: str | Path) -> dict[str, Any]:
    """Checks a built folder against its manifest, byte for byte, and returns the manifest.

    Raises:
        BuildError: No manifest, or a file that is missing, changed or not in the manifest.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BuildError(f"there is no folder {folder}")
    try:
        manifest = read_json(folder / MANIFEST)
        files = dict(manifest["files"])
        counted = {path: (file["bytes"], file["sha256"]) for path, file in files.items()}
    except (UserError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildError(f"{folder} has no {MANIFEST} that can be read: {error}") from None
    for path, (size, digest) in counted.items():
        if not _BUILT_FILE.fullmatch(path):  # a stranger's manifest must not lead out of the folder
            raise BuildError(f"{MANIFEST} lists {path!r}, which is no file of a built corpus")
        file = folder / path
        if not file.is_file():
            raise BuildError(f"{path} is missing from {folder}")
        if file.stat().st_size != size or sha256(file) != digest:
            raise BuildError(f"{path} in {folder} is not the file that was built: other bytes")
    extra = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
    extra -= set(counted)
    if extra:
        raise BuildError(f"{min(extra)} in {folder} is not in its {MANIFEST}")
    return manifest
