"""Pages of the documentation that are READMEs: read where they lie, links made to fit."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {  # file of the project -> page
    "README.md": "guide.md",
    "modeling_empathic/nano/README.md": "nano.md",
    "evaluate_metrics/README.md": "metric.md",
    "dataset_scripts/generation/README.md": "big.md",
    "spaces/README.md": "spaces.md",
    "spaces/empathic_insight_voice/README.md": "demo.md",
    "spaces/emotion_annotation/README.md": "annotation.md",
    "spaces/emonet_voice_leaderboard/README.md": "leaderboard.md",
    "spaces/voice_in_browser/README.md": "browser.md",
    "benchmarks/README.md": "benchmarks.md",
    "cards/README.md": "cards.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
IMAGES = (".png", ".svg")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|!?\[[^\[\]]*\]\([^()\s]*\))*)\]\(([^()\s]+)\)")
_PICTURE = re.compile(r"!\[[^\[\]]*\]\((?!\w+://)([^()\s]+)\)|<img src=\"(?!\w+://)([^\"]+)\"")
_CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages, and the pictures that they show."""
    root = Path(config.config_file_path).parent
    for source, page in PAGES.items():
        text = (root / source).read_text("utf-8")
        for target in map("".join, _PICTURE.findall(text)):
            picture = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
            if picture not in files.src_uris:
                files.append(File.generated(config, picture, abs_src_path=str(root / picture)))
        files.append(File.generated(config, page, content=with_links(text, source)))
    return files


def with_links(text: str, source: str) -> str:
    """A README's text whose links lead to pages; a link to another file stays as its words.

    Example:
        >>> with_links("[a](cards/README.md) [b](pyproject.toml) `[c](d)` [e](#f)", "README.md")
        '[a](cards.md) b `[c](d)` [e](#f)'
    """

    def leads(match: re.Match[str]) -> str:
        mark, words, target = match.groups()
        words = _LINK.sub(leads, words)
        if "://" in target or target.startswith("#"):
            return f"{mark}[{words}]({target})"
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        page = path if path.endswith(IMAGES) else PAGES.get(path)
        return f"{mark}[{words}]({page}{'#' * bool(anchor)}{anchor})" if page else words

    parts = _CODE.split(text)  # every second one is code
    parts[::2] = [_LINK.sub(leads, part) for part in parts[::2]]
    return "".join(parts)
