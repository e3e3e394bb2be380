"""The notebook runs as it stands, and what it pushes loads where this package is not."""

import pytest

from tests.support.notebooks import run_notebook

REPOSITORY_ID = "someone/call-centre"


@pytest.fixture(scope="module")
def pushed(local_hub, tmp_path_factory) -> str:
    """Output of all code cells, run one after the other in a process whose Hub is the local one."""
    pytest.importorskip("espeakng_loader")
    hub = local_hub.environment(tmp_path_factory.mktemp("home"))
    folder = tmp_path_factory.mktemp("empty")
    return run_notebook("train_your_labels", folder, **hub, EMONET_PUSH_TO=REPOSITORY_ID)


def test_it_measures_on_voices_never_met_and_pushes(pushed):
    assert "72 clips of 6 speakers, by heads that other speakers taught" in pushed
    assert f"pushed to {REPOSITORY_ID}" in pushed


def test_the_heads_have_learnt_more_than_the_most_frequent_class(pushed):
    lines = {line.split("  ")[0].strip(): line.split() for line in pushed.splitlines() if line}
    accuracy = float(next(word for word in lines["accuracy"] if word.startswith("0.")))
    assert accuracy > 0.4  # of four classes, as many clips each


def test_auto_model_loads_it_where_the_package_is_hidden(pushed, hub_user):
    answer = hub_user(
        "from transformers import AutoModel\n"
        "model = AutoModel.from_pretrained(name, trust_remote_code=True)\n"
        "result = [type(model).__module__.split('.')[0], model.config.head_names[-4:]]",
        name=REPOSITORY_ID,
    )
    assert answer == ["transformers_modules", ["annoyed", "bored", "cheerful", "gloomy"]]
