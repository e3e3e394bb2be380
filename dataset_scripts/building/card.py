"""The README of a built corpus: configurations and features for the Hub, a few words for people."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from datasets import DatasetInfo, Features, SplitDict, SplitInfo
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCardData

from dataset_scripts.corpora.corpus import Corpus

File = Mapping[str, Any]


def files_of(corpus: type[Corpus], files: Mapping[str, File]) -> dict[str, list[str]]:
    """Configuration -> its built files; a configuration without any is left out.

    Example:
        >>> from dataset_scripts.corpora.emodb import EmoDB
        >>> files_of(EmoDB, {"data/train-00000-of-00001.parquet": {}})
        {'default': ['data/train-00000-of-00001.parquet']}
    """
    matching = {
        name: [path for path in files if fnmatchcase(path, pattern)]
        for name, pattern in corpus.CONFIG_FILES.items()
    }
    return {name: paths for name, paths in matching.items() if paths}


def card(
    corpus: type[Corpus],
    files: Mapping[str, File],
    features: Mapping[str, Features],
    source: Mapping[str, Any],
) -> str:
    """The whole README.

    Args:
        corpus: Whose README it is.
        files: Built Parquet files with their rows, bytes and size in Arrow.
        features: Configuration -> the columns of its files.
        source: `name` and `revision` of what it was built from.
    """
    configs, infos, lines = {}, {}, []
    for name, paths in files_of(corpus, files).items():
        pattern = corpus.CONFIG_FILES[name]
        rows, size, arrow_bytes = (
            sum(files[path][key] for path in paths) for key in ("rows", "bytes", "arrow_bytes")
        )
        split = SplitInfo(name=corpus.SPLIT, num_bytes=arrow_bytes, num_examples=rows)
        infos[name] = DatasetInfo(
            features=Features({**features[name], **corpus.CONFIG_FEATURES.get(name, {})}),
            splits=SplitDict({corpus.SPLIT: split}),
            download_size=size,
            dataset_size=arrow_bytes,
        )
        default = {"default": True} if name == corpus.DEFAULT else {}
        configs[name] = {"data_files": [{"split": corpus.SPLIT, "path": pattern}], **default}
        lines.append(f"| `{name}` | `{corpus.SPLIT}` | {rows:,} | {size / 1e6:,.1f} MB |")
    data = DatasetCardData(**corpus.CARD)
    MetadataConfigs(configs).to_dataset_card_data(data)
    DatasetInfosDict(infos).to_dataset_card_data(data)
    facts = corpus.FACTS
    citation = f"\n```bibtex\n{facts['citation'].strip()}\n```\n" if facts["citation"] else ""
    described = data["dataset_info"]
    for info in described if isinstance(described, list) else [described]:
        info.update(facts)  # what `builder.info` says; datasets reads it and does not write it
    revision = f" at revision `{source['revision']}`" if source["revision"] else ""
    return f"""---
{data.to_yaml()}
---

# {corpus.CARD["pretty_name"]}

{facts["description"]}

| configuration | split | rows | size |
|---|---|---|---|
{chr(10).join(lines)}

{corpus.NOTES}

Built by `{corpus.BUILT_BY}` from `{source["name"]}`{revision}. Audio is byte for byte that
of the source; `clip_id` is its SHA-256. `manifest.json` has the checksum of every file.

Licence: {facts["license"].rstrip(".")}. Homepage: {facts["homepage"]}
{citation}"""
