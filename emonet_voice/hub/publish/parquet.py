"""A data set's README against its Parquet files: what `load_dataset` would believe, or die of."""

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.parquet")


def check_dataset(name: str, folder: Path, metadata: dict[str, Any]) -> list[str]:
    """What is wrong with a data set.

    `load_dataset` takes the README's features without a word where the Parquet says otherwise,
    refuses a split whose rows were counted wrongly, and refuses any repository with a script of
    its own name.

    Args:
        name: Of the repository, without its namespace.
        folder: The repository.
        metadata: Of its card.
    """
    problems = []
    if (folder / f"{name}.py").exists():
        problems.append(f"{name}.py would make load_dataset fail: scripts are not supported")
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.parquet")}
    problems += _check_shards(sorted(files))
    configs, infos = metadata.get("configs") or [], metadata.get("dataset_info") or []
    infos = [infos] if isinstance(infos, dict) else infos
    described = {info.get("config_name", "default"): info for info in infos}
    if sum(bool(config.get("default")) for config in configs) != 1:
        problems.append("README.md: exactly one configuration is the default")
    covered: set[str] = set()
    schemas = {path: _read(files[path]) for path in sorted(files)}
    for config in configs:
        config_name = config.get("config_name", "")
        if config_name not in described:
            problems.append(f"README.md: dataset_info lacks the configuration {config_name!r}")
            continue
        for data in config.get("data_files") or []:
            where = f"README.md: configuration {config_name!r}, split {data.get('split')!r}"
            patterns = data["path"] if isinstance(data["path"], list) else [data["path"]]
            matching = [
                path for path in schemas if any(fnmatchcase(path, glob) for glob in patterns)
            ]
            if not matching:
                problems.append(f"{where}: no file matches {', '.join(patterns)}")
                continue
            covered |= {*matching}
            read = [schemas[path] for path in matching]
            problems += _compare(where, described[config_name], data.get("split"), read)
    problems += [f"{path} is in no configuration" for path in sorted(set(files) - covered)]
    for path in sorted(files):
        problems += [f"{path}: {problem}" for problem in _check_audio(files[path])]
    return problems


def _read(path: Path) -> tuple[Any, int]:
    """Features and rows of a Parquet file."""
    import datasets
    from pyarrow import parquet

    with parquet.ParquetFile(path) as opened:
        return datasets.Features.from_arrow_schema(opened.schema_arrow), opened.metadata.num_rows


def _check_shards(files: list[str]) -> list[str]:
    """Files `x-00000-of-00002.parquet` of which not all are there."""
    groups: dict[tuple[str, int], set[int]] = {}
    for file in files:
        if match := _SHARD.fullmatch(file):
            groups.setdefault((match[1], int(match[3])), set()).add(int(match[2]))
    return [
        f"{start}-{number:05}-of-{total:05}.parquet is missing"
        for (start, total), numbers in sorted(groups.items())
        for number in range(total)
        if number not in numbers
    ]


def _compare(
    where: str, info: dict[str, Any], split: str | None, read: list[tuple[Any, int]]
) -> list[str]:
    """A configuration's features and number of rows, as described and as they are."""
    import datasets

    problems = []
    said = datasets.Features._from_yaml_list(info.get("features") or [])
    for features, _ in read:
        for column in [*said, *(name for name in features if name not in said)]:
            if not _fits(said.get(column), features.get(column)):
                problems.append(f"{where}: {_difference(column, said, features)}")
                break
    rows = sum(n for _, n in read)
    splits = {one["name"]: one.get("num_examples") for one in info.get("splits") or []}
    if splits.get(split) != rows:
        problems.append(f"{where}: num_examples is {splits.get(split)}, but there are {rows} rows")
    return sorted(set(problems))


def _fits(said: Any, actual: Any) -> bool:
    """Whether a column is what it is said to be; class labels may leave out the last ones."""
    names = getattr(said, "names", None)
    if names and getattr(actual, "names", None):
        return bool(actual.names[: len(names)] == names)
    return bool(said == actual)


def _difference(column: str, said: Any, actual: Any) -> str:
    if column not in said or column not in actual:
        only = "the Parquet files" if column in actual else "the README"
        return f"column {column!r} is in {only} only"
    ours, theirs = (getattr(one[column], "names", None) for one in (said, actual))
    if ours and theirs and ours != theirs:
        pairs = zip(ours, theirs, strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), (len(ours), len(theirs)))
        return f"class labels of {column!r} are not those of the Parquet files: {first}"
    return f"column {column!r} is {said[column]} there and {actual[column]} in the Parquet files"


def _check_audio(path: Path) -> list[str]:
    """Audio that is a path on this machine instead of bytes: what `Dataset.to_parquet` writes."""
    from pyarrow import compute, parquet

    with parquet.ParquetFile(path) as opened:
        if "audio" not in opened.schema_arrow.names:
            return []
        leaf = next(
            number
            for number in range(len(opened.schema))
            if opened.schema.column(number).path == "audio.bytes"
        )
        groups = [opened.metadata.row_group(i).column(leaf) for i in range(opened.num_row_groups)]
        problems = []
        # Counted in the file's footer: the audio itself is not read.
        counts = [g.statistics.null_count if g.statistics else 0 for g in groups]
        if sum(counts):
            problems.append(f"{sum(counts)} clips have no bytes")
        names = compute.struct_field(opened.read(columns=["audio.path"])["audio"], "path")
        bad = compute.match_substring_regex(names, r"^(/|[A-Za-z]:\\|\.\./)|/\.\./")
        if compute.any(bad).as_py():
            problems.append("audio has paths of this machine")
        return problems
