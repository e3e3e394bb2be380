"""What an Apache-2.0 package installs must not oblige its users to the GPL."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

from tests.support.places import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = sorted(set(PROJECT["optional-dependencies"]) - {"dev"})
VIRAL = re.compile(r"(?<![L])\bA?GPL|GNU (Affero )?General Public|\bEUPL|\bSSPL", re.IGNORECASE)


def licence(name: str) -> str:
    """What a distribution says of its licence, the long text left out."""
    about = distribution(name).metadata
    said = [about.get("License-Expression") or "", *(about.get("License") or "").splitlines()[:1]]
    said += [line for line in about.get_all("Classifier") or () if line.startswith("License")]
    return "; ".join(line for line in said if line)


def reached(extra: str | None) -> set[str]:
    """Names of all that an installation brings along on this machine, as far as it is here."""
    first = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    waiting, found = [(text, "") for text in first], set()
    while waiting:
        text, of_extra = waiting.pop()
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": of_extra}):
            continue
        for asked in ("", *wanted.extras):
            if (wanted.name.lower(), asked) in found:
                continue
            try:
                requires = distribution(wanted.name).requires or []
            except PackageNotFoundError:
                continue
            found.add((wanted.name.lower(), asked))
            waiting += [(text, asked) for text in requires]
    return {name for name, _ in found}


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_no_dependency_outside_dev_is_under_the_gpl(extra):
    names = reached(extra)
    direct = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    assert len(names) >= 1 and direct
    viral = {name: licence(name) for name in sorted(names) if VIRAL.search(licence(name))}
    assert not viral, f"only dev may have these: {viral}"


def test_the_gpl_is_found_where_it_is():
    assert VIRAL.search(licence("krippendorff"))
    for text in ("GPL-3.0-or-later", "GPLv3", "AGPL-3.0", "GNU General Public License v3"):
        assert VIRAL.search(text)
    for text in ("LGPL-2.1-or-later", "GNU Lesser General Public License", "MIT", "Apache-2.0"):
        assert not VIRAL.search(text)
