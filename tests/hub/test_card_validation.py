"""What the Hub or the libraries would refuse, ignore or silently believe is found before a push."""

import json
import shutil

import pyarrow as pa
import pytest
from pyarrow import parquet

from emonet_voice.hub.cards import card_of, front_matter, python_blocks
from emonet_voice.hub.publish.metadata import SIZES, check_metadata, size_category
from emonet_voice.hub.publish.validate import validate
from emonet_voice.hub.repositories import chosen, folder_of
from modeling_empathic.taxonomy import BENCH_NAMES
from tests.support.publish_maker import BENCH, METRIC, NANO, SMALL

DEMO = "empathic-insight-voice"
DATA = "data/emotions-partial-00000-of-00001.parquet"


@pytest.fixture
def copy(staged, tmp_path):
    """A function that copies a staged repository, to break it."""

    def copied(name):
        return shutil.copytree(folder_of(staged.folder, chosen([name])[0]), tmp_path / name)

    return copied


def problems(name, folder):
    return validate(chosen([name])[0], folder, "laion")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", [NANO, SMALL, BENCH, METRIC, DEMO, "emonet-voice-annotation"])
def test_what_is_staged_is_in_order(staged, name):
    assert problems(name, folder_of(staged.folder, chosen([name])[0])) == []


# Metadata ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (NANO, "license: apache-2.0", "license: apache", "license 'apache' is not one that"),
        (NANO, "license: apache-2.0", "license: other", "license 'other' needs license_name"),
        (NANO, "license: apache-2.0\n", "", "metadata lacks license"),
        (NANO, "pipeline_tag: audio-class", "pipeline_tag: audio-klass", "such as audio-class"),
        (NANO, "- de\n", "- german\n", "language 'german' is not one"),
        (NANO, "- de\n", "- no\n", "language False is not one"),  # what YAML makes of Norwegian
        (NANO, "library_name:", "libary_name:", "metadata key 'libary_name' is unknown"),
        (SMALL, "base_model: laion/", "base_model: ", "'BUD-E-Whisper' is no owner/name"),
        (BENCH, "audio-classification", "emotion", "task_categories 'emotion' is not one"),
        (BENCH, "audio-emotion-recognition", "emotions", "task_ids 'emotions' is not one"),
        (BENCH, "n<1K", "few", "size_categories 'few' is not one"),
        (BENCH, "expert-generated", "experts", "annotations_creators 'experts' is not one"),
        (DEMO, "colorFrom: green", "colorFrom: teal", "colorFrom 'teal' is not one"),
        (DEMO, "sdk: gradio", "sdk: streamlet", "sdk 'streamlet' is not one"),
        (DEMO, "sdk_version: 6.31.0", "sdk_version: 6.x", "'6.x' is not a whole version"),
        (DEMO, "python_version: 3.12.12", "python_version: 3.10", "YAML reads it as a number"),
        (DEMO, "app_file: app.py", "app_file: main.py", "'main.py' is not a file of"),
        (DEMO, "pinned: false", "pinned: nope", "pinned is true or false"),
        (DEMO, "zero-a10g", "a100-huge", "'a100-huge' is not hardware"),
        (DEMO, "short_description: ", f"short_description: {'x' * 40}", "at most 60 characters"),
        (METRIC, "emoji: 📏", "emoji: ruler", "'ruler' is not one emoji"),
    ],
)
def test_metadata_that_the_hub_does_not_know_is_named(copy, name, old, new, message):
    folder = copy(name)
    edit(folder / "README.md", old, new)
    listed = problems(name, folder)
    assert any(message in problem for problem in listed) and len(listed) <= 2, listed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# A card\n", "does not begin with metadata"),
        ("---\nlicense: [\n---\n", "metadata is no YAML"),
        ("---\n- mit\n---\n", "metadata is no mapping"),
    ],
)
def test_a_card_without_metadata_is_named(copy, text, message):
    folder = copy(METRIC)
    (folder / "README.md").write_text(text)
    assert any(message in problem for problem in problems(METRIC, folder))


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_licence_is_required_of_every_kind(kind, tmp_path):
    assert "metadata lacks license" in check_metadata(kind, {}, tmp_path)


@pytest.mark.parametrize("rows", [0, 999, 1_000, 12_600, 99_999, 10**6])
def test_the_size_category_is_the_one_that_holds_the_rows(rows):
    numbers = {"K": 10**3, "M": 10**6}
    low, _, high = size_category(rows).rpartition("n<")
    value = {text: int(text[:-1]) * numbers[text[-1]] for text in (low.rstrip("<"), high) if text}
    assert value.get(low.rstrip("<"), 0) <= rows < value[high]
    assert size_category(rows) in SIZES


# Links, blocks, files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("See https://huggingface.co/laion/emonet-voice-small", "laion/emonet-voice-small is not"),
        ("See https://huggingface.co/datasets/some/data.", "some/data is not in the table"),
        ('```python\nload_dataset("laion/emonet-bench")\n```', "laion/emonet-bench is not in"),
        ("```python\nprint(\n```", "Python block 2, line 1: '(' was never closed"),
    ],
)
def test_links_and_blocks_of_a_card_are_checked(copy, line, message):
    folder = copy(NANO)
    with (folder / "README.md").open("a") as card:
        card.write(f"\n{line}\n")
    listed = problems(NANO, folder)
    assert len(listed) == 1 and message in listed[0], listed


@pytest.mark.parametrize(
    "line",
    [
        "https://huggingface.co/docs/hub/spaces, https://huggingface.co/papers/2506.09827",
        "https://huggingface.co/datasets/laion/emonet-voice-bench.",
        "https://huggingface.co/laion/BUD-E-Whisper, laion/Empathic-Insight-Voice-Small.",
    ],
)
def test_good_links_are_left_alone(copy, line):
    folder = copy(NANO)
    with (folder / "README.md").open("a") as card:
        card.write(f"\n{line}\n")
    assert problems(NANO, folder) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("token = 'hf_" + "aB3" * 12 + "'", "notes.txt contains a secret"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "notes.txt contains a secret"),
        ("the canary sings", "notes.txt contains a secret"),
        ("open('/home/somebody/clips/a.wav')", "contains a path of this machine: /home/somebody"),
        ("C:\\Users\\somebody", "contains a path of this machine"),
    ],
)
def test_secrets_and_paths_are_found_and_secrets_not_shown(copy, monkeypatch, content, message):
    monkeypatch.setenv("SOME_API_KEY", "the canary sings")
    folder = copy(METRIC)
    (folder / "notes.txt").write_text(content)
    (listed,) = problems(METRIC, folder)
    assert message in listed
    assert "secret" not in message or content not in listed


def test_links_and_leftovers_are_refused(copy):
    folder = copy(METRIC)
    (folder / "core.py").symlink_to(folder / "metric.py")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "metric.pyc").touch()
    assert problems(METRIC, folder) == [
        "__pycache__/metric.pyc does not belong into a repository",
        "core.py is a symbolic link",
    ]


# Data sets ---------------------------------------------------------------------------------------


def test_class_labels_that_disagree_with_the_parquet_are_named(copy):
    folder = copy(BENCH)
    second = BENCH_NAMES[1]
    edit(folder / "README.md", f"'1': {second}\n", "'1': Love\n")
    listed = problems(BENCH, folder)
    assert [problem.split("'")[1] for problem in listed] == [
        "all",
        "default",
        "ratings",
        "unanimous",
    ]
    assert (
        f"labels of 'emotion' are not those of the Parquet files: ('Love', '{second}')" in listed[0]
    )


def test_other_columns_and_types_are_named(copy):
    folder = copy(BENCH)
    edit(folder / "README.md", "- name: majority\n    dtype: int8", "- name: most\n    dtype: int8")
    assert "column 'most' is in the README only" in problems(BENCH, folder)[0]
    edit(
        folder / "README.md", "- name: most\n    dtype: int8", "- name: majority\n    dtype: int64"
    )
    assert "column 'majority' is Value" in problems(BENCH, folder)[0]


def test_a_wrong_number_of_examples_is_named(copy):
    folder = copy(BENCH)
    edit(folder / "README.md", "num_examples: 120", "num_examples: 12000")
    assert problems(BENCH, folder) == [
        "README.md: configuration 'default', split 'test': num_examples is 12000, "
        "but there are 120 rows"
    ]


def test_a_missing_shard_is_named(copy):
    folder = copy(BENCH)
    shard = sorted((folder / "data").iterdir())[0]
    shard.rename(shard.with_name(shard.name.replace("of-00001", "of-00002")))
    (listed,) = problems(BENCH, folder)
    assert listed.startswith("data/") and listed.endswith("-00001-of-00002.parquet is missing")


def test_a_glob_that_matches_nothing_and_a_file_without_configuration(copy):
    folder = copy(BENCH)
    edit(folder / "README.md", "path: ratings/*.parquet", "path: rating/*.parquet")
    assert problems(BENCH, folder) == [
        "README.md: configuration 'ratings', split 'test': no file matches rating/*.parquet",
        "ratings/test-00000-of-00001.parquet is in no configuration",
    ]


def test_a_script_named_like_the_data_set_is_refused(copy):
    folder = copy(BENCH)
    (folder / f"{BENCH}.py").touch()
    (listed,) = problems(BENCH, folder)
    assert "would make load_dataset fail" in listed


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"bytes": None, "path": "a.wav"}, "1 clips have no bytes"),
        ({"bytes": b"RIFF", "path": "/data/a.wav"}, "audio has paths of this machine"),
    ],
)
def test_audio_that_is_a_path_is_refused(copy, value, message):
    folder = copy(BENCH)
    shard = sorted((folder / "data").iterdir())[0]
    table = parquet.read_table(shard)
    audio = [value, *table["audio"].to_pylist()[1:]]
    column = table.schema.get_field_index("audio")
    table = table.set_column(column, "audio", pa.array(audio, table.schema.field("audio").type))
    shard.unlink()  # the staged one is another name of the same file
    parquet.write_table(table, shard)
    (listed,) = problems(BENCH, folder)
    assert message in listed


# Models ------------------------------------------------------------------------------------------


def change_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_missing_and_a_stale_shard_of_weights_are_named(copy):
    folder = copy(SMALL)
    (folder / "model-00002-of-00003.safetensors").rename(folder / "model.safetensors")
    assert problems(SMALL, folder) == [
        "model-00002-of-00003.safetensors is missing: model.safetensors.index.json lists it",
        "model.safetensors is stale: model.safetensors.index.json does not list it",
    ]


def test_weights_that_were_cut_are_named(copy):
    folder = copy(NANO)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(content[:-100])
    (listed,) = problems(NANO, folder)
    assert "model.safetensors is not a whole safetensors file" in listed


@pytest.mark.parametrize(
    ("key", "value"),
    [("feature_size", 128), ("nb_max_frames", 1000), ("feature_extractor_type", "Mine")],
)
def test_a_stale_preprocessor_file_is_named(copy, key, value):
    folder = copy(NANO)
    change_json(folder / "preprocessor_config.json", **{key: value})
    (listed,) = problems(NANO, folder)
    assert f"preprocessor_config.json is stale: {key} is {value!r}" in listed


def test_two_preprocessor_files_are_one_too_many(copy):
    folder = copy(NANO)
    (folder / "processor_config.json").write_text("{}")
    (listed,) = problems(NANO, folder)
    assert "one of them is stale" in listed


def test_code_that_is_not_the_packages_or_not_there_is_named(copy):
    folder = copy(NANO)
    edit(folder / "mixing_empathic.py", "SAMPLE_RATE = 16_000", "SAMPLE_RATE = 48_000")
    (folder / "pipeline_empathic.py").unlink()
    assert problems(NANO, folder) == [
        "config.json names pipeline_empathic.EmpathicInsightPipeline, "
        "but there is no pipeline_empathic.py",
        "mixing_empathic.py is not the package's",
        "pipeline_empathic.py is not the package's",
    ]


def test_a_configuration_without_its_code_is_named(copy):
    folder = copy(NANO)
    change_json(folder / "config.json", auto_map={}, custom_pipelines={})
    listed = problems(NANO, folder)
    assert listed == ["config.json has no auto_map", "config.json has no custom_pipelines"]


def test_a_metric_without_its_script_is_named(copy):
    folder = copy(METRIC)
    (folder / "emonet_voice.py").rename(folder / "metric_of_emonet.py")
    listed = problems(METRIC, folder)
    assert listed[0] == "evaluate.load looks for emonet_voice.py, which is not there"


# Cards themselves --------------------------------------------------------------------------------


def test_blocks_are_those_that_are_fenced_as_python():
    text = "```python\na = 1\n```\n\n```sh\nls\n```\n\n```python\nb = 2\n```\n"
    assert python_blocks(text) == ["a = 1\n", "b = 2\n"]


def test_metadata_ends_at_the_second_rule():
    assert front_matter("---\na: 1\n---\n\n# x\n---\ny\n", "x") == ({"a": 1}, "# x\n---\ny\n")


@pytest.mark.parametrize("name", [NANO, SMALL, BENCH, METRIC])
def test_every_card_says_how_to_use_it_in_a_block_that_parses(staged, name):
    _, text = card_of(folder_of(staged.folder, chosen([name])[0]))
    assert len(python_blocks(text)) >= 1
