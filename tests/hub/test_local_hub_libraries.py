"""`load_dataset`, `AutoModel` and `evaluate.load` on ids, against the local Hub, and offline again.

Importing these libraries takes seconds, so that two processes do all of it: one with the Hub, and
one offline with the cache that the first has filled.
"""

import importlib.util

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCH, MODEL, METRIC = "laion/emonet-voice-bench", "laion/tiny", "laion/toy_metric"
ROWS = {"emotions": 4, "extra": 2}
CARD = """---
license: cc-by-4.0
configs:
- config_name: default
  default: true
  data_files:
  - split: test
    path: data/emotions-*.parquet
- config_name: all
  data_files:
  - split: test
    path: data/*.parquet
---
# Bench
"""
FEATURES = (
    '{"info": {"features": {"clip_id": {"dtype": "string", "_type": "Value"},'
    ' "audio": {"sampling_rate": 44100, "_type": "Audio"}}}}'
)
METRIC_CODE = """
import datasets
import evaluate
from .toy_core import mean_error

class ToyMetric(evaluate.Metric):
    def _info(self):
        value = datasets.Value("float32")
        features = datasets.Features({"predictions": value, "references": value})
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="", features=features
        )

    def _compute(self, predictions, references):
        return {"error": mean_error(predictions, references)}
"""
CORE_CODE = """
def mean_error(predictions, references):
    return sum(abs(p - r) for p, r in zip(predictions, references)) / len(predictions)
"""
IMPORT = """
from datasets import Audio, load_dataset
from transformers import AutoModel
"""
USE = """
sizes = {c: len(load_dataset(bench, c, split='test')) for c in ('default', 'all')}
loaded = AutoModel.from_pretrained(model, trust_remote_code=True)
result = [sizes, type(loaded).__module__.split('.')[0], loaded.config.head_names]
"""
USED = [
    {"default": 4, "all": 6},
    "transformers_modules",
    ["Anger", "Speech Quality", "Pleasure/Ecstasy", "Awe"],
]


def clip(number: int) -> bytes:
    return b"RIFF" + bytes([number]) * 2000


@pytest.fixture(scope="module")
def client(local_hub, hub_user, model_folder, tmp_path_factory):
    """A process without this package; the Hub has a benchmark, a model and a metric."""
    root = tmp_path_factory.mktemp("repositories")
    (root / "bench" / "data").mkdir(parents=True)
    (root / "bench" / "README.md").write_text(CARD)
    first = 0
    for name, count in ROWS.items():
        numbers = range(first, first + count)
        table = pa.table(
            {
                "clip_id": [str(i) for i in numbers],
                "audio": [{"bytes": clip(i), "path": f"{i}.wav"} for i in numbers],
            }
        ).replace_schema_metadata({"huggingface": FEATURES})
        pq.write_table(table, root / "bench" / "data" / f"{name}-00000-of-00001.parquet")
        first += count
    (root / "metric").mkdir()
    (root / "metric" / "toy_metric.py").write_text(METRIC_CODE)
    (root / "metric" / "toy_core.py").write_text(CORE_CODE)
    local_hub.add(BENCH, root / "bench")
    local_hub.add(MODEL, model_folder, "model")
    local_hub.add(METRIC, root / "metric", "space")
    hub_user(IMPORT, bench=BENCH, model=MODEL, metric=METRIC)
    return hub_user


@pytest.fixture(scope="module")
def used(client):
    """What the libraries loaded by their ids, from the Hub."""
    return client(USE)


def test_configs_and_remote_code_load_by_id(used):
    assert used == USED


def test_audio_arrives_as_the_bytes_that_were_uploaded(client, used):
    answer = client(
        "data = load_dataset(bench, 'all', split='test')\n"
        "data = data.cast_column('audio', Audio(decode=False))\n"
        "result = [[row['audio']['path'], row['audio']['bytes'].hex()] for row in data]"
    )
    assert answer == [[f"{i}.wav", clip(i).hex()] for i in range(6)]


@pytest.mark.parametrize(("config", "count"), [("default", 4), ("all", 6)])
def test_a_streamed_config_has_the_rows_of_the_downloaded_one(client, used, config, count):
    answer = client(
        "data = load_dataset(bench, config, split='test', streaming=True)\n"
        "data = data.cast_column('audio', Audio(decode=False))\n"
        "result = [[row['clip_id'], row['audio']['bytes'].hex()] for row in data]",
        config=config,
    )
    assert answer == [[str(i), clip(i).hex()] for i in range(count)]


def test_configs_pushed_one_by_one_are_all_in_the_card(client, used):
    answer = client(
        "from datasets import Dataset, get_dataset_config_names\n"
        "for name, value in (('small', 1), ('big', 2)):\n"
        "    data = Dataset.from_dict({'x': [value] * value})\n"
        "    data.push_to_hub('laion/pushed', config_name=name, set_default=name == 'small')\n"
        "names = get_dataset_config_names('laion/pushed')\n"
        "result = [names, list(load_dataset('laion/pushed', 'big')['train']['x'])]"
    )
    assert [sorted(answer[0]), answer[1]] == [["big", "small"], [2, 2]]


def test_remote_code_comes_from_the_hub_and_saves_whole(client, used, model_folder, tmp_path):
    saved = tmp_path / "saved"
    client("loaded.save_pretrained(folder)", folder=str(saved))
    for path in model_folder.iterdir():
        if path.name != "preprocessor_config.json":
            assert (saved / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_model_is_pushed_with_its_code(client, used):
    files = client(
        "from huggingface_hub import list_repo_files\n"
        "loaded.push_to_hub('laion/pushed')\n"
        "result = list_repo_files('laion/pushed')"
    )
    card = client(
        "from huggingface_hub import ModelCard\n"
        "card = ModelCard.load('laion/pushed')\n"
        "made = card.data.to_dict()\n"
        "card.data.pipeline_tag, card.data.license = 'other', 'mit'\n"
        "card.push_to_hub('laion/pushed')\n"
        "loaded.save_pretrained('again', push_to_hub=True, repo_id='laion/pushed')\n"
        "result = [made, ModelCard.load('laion/pushed').data.to_dict()]"
    )
    assert {"config.json", "modeling_empathic.py", "model.safetensors.index.json"} <= {*files}
    made, changed = card
    assert (made["pipeline_tag"], made["library_name"]) == ("audio-classification", "transformers")
    assert {"empathic_insight", "speech-emotion-recognition"} <= {*made["tags"]}
    assert changed == made | {"pipeline_tag": "other", "license": "mit"}  # what it says stays


@pytest.mark.skipif(not importlib.util.find_spec("evaluate"), reason="evaluate is not installed")
def test_a_metric_and_its_sibling_file_load_by_id(client, used):
    answer = client(
        "import evaluate\n"
        "result = evaluate.load(metric).compute(predictions=[1, 2], references=[1, 3])"
    )
    assert answer == {"error": 0.5}


def test_offline_all_of_it_comes_from_the_cache(offline_user, used, local_hub):
    before = len(local_hub.requests)
    assert offline_user(IMPORT + USE, bench=BENCH, model=MODEL) == USED
    assert local_hub.requests[before:] == []
