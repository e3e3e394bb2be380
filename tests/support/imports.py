"""Who imports whom: reads the imports of a folder's Python files, and runs none of them."""

import ast
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Arrow:
    """One import, both ends as dotted names.

    `imported` is a file of the house if the name is one or lies in one; `at_import` says that the
    import runs when the importing file is itself imported.
    """

    importing: str
    line: int
    imported: str
    at_import: bool

    def __str__(self) -> str:
        return f"{self.importing}, line {self.line}: {self.imported}"


def python_files(root: Path, folders: Iterable[str]) -> dict[str, Path]:
    """Dotted name -> file, for every Python file of the folders that is itself and no link.

    A package is named by its folder. Each Space is a root of its own on the Hub, and its files
    see each other without `spaces.NAME`; they keep that prefix here.
    """
    files = {}
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            if not path.is_symlink():
                name = ".".join(path.relative_to(root).with_suffix("").parts)
                files[name.removesuffix(".__init__")] = path
    return files


@dataclass(frozen=True)
class House:
    """The files of folders by dotted name, and every import in them."""

    files: dict[str, Path]
    arrows: list[Arrow]

    @classmethod
    def read(cls, root: Path, folders: Iterable[str]) -> "House":
        """Reads each Python file of the folders of `root`.

        Imports inside functions, under TYPE_CHECKING, by `import_module("...")` and in programs
        that are strings (but not a test's) count too; these are not `at_import`.
        """
        files = python_files(root, folders)
        every = [arrow for name, path in files.items() for arrow in _of_file(name, path, files)]
        return cls(files, every)


def circles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups of two or more nodes that reach each other."""
    targets: dict[str, set[str]] = {}
    for start, end in edges:
        if start != end:
            targets.setdefault(start, set()).add(end)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            new = targets.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        return seen

    reach = {node: reached(node) for node in targets}
    groups = {
        tuple(sorted(other for other in ends if node in reach.get(other, ())))
        for node, ends in reach.items()
        if node in ends
    }
    return [list(group) for group in sorted(groups)]


def _of_file(name: str, path: Path, files: dict[str, Path]) -> Iterator[Arrow]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    space = ".".join(name.split(".")[:2]) if name.startswith("spaces.") else None
    for line, imported, at_import in _imports(ast.parse(path.read_text("utf-8")), package, True):
        local = _nearest(f"{space}.{imported}", files)  # unless only a link of that name is there
        yield Arrow(name, line, local if local in files else _nearest(imported, files), at_import)


def _nearest(imported: str, files: dict[str, Path]) -> str:
    """The file that a dotted name is, or lies in; without one, the name."""
    parent = imported.rpartition(".")[0]
    return parent if imported not in files and parent in files else imported


def _imports(tree: ast.AST, package: str, at_import: bool) -> Iterator[tuple[int, str, bool]]:
    for node in ast.iter_child_nodes(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            yield from ((line, alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            yield from ((line, f"{base}.{alias.name}", at_import) for alias in node.names)
        elif isinstance(node, ast.Call) and (literal := _import_module(node)):
            yield line, _absolute(literal, package), False
        elif isinstance(node, ast.Constant) and not package.startswith("tests"):
            yield from ((line, name, False) for name in _in_string(node.value))
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(node, package, at_import and not inner and not _for_types(node))


def _absolute(name: str, package: str) -> str:
    """`..a.b` seen from `package`, as `a.b` from the root."""
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], name[level:]]).rstrip(".")


def _import_module(call: ast.Call) -> str | None:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in ("import_module", "__import__") or not call.args:
        return None
    first = call.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _in_string(text: object) -> list[str]:
    """What a program in a string imports; most strings are none."""
    if not isinstance(text, str) or "import " not in text:
        return []
    try:
        tree = ast.parse(textwrap.dedent(text))
    except SyntaxError:
        return []
    return [name for _, name, _ in _imports(tree, "", True)]
