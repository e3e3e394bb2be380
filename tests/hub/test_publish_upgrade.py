"""From loose pickles to a pull request that adds a model and takes nothing away."""

import pytest

from modeling_empathic.taxonomy import ATTRIBUTES, EMOTION_NAMES, EMOTIONS
from tests.support.public_heads import POOLED, save_head
from tests.support.publish_maker import SMALL

REPO = f"laion/{SMALL}"
# What users of the loose heads run: every file by its name, one clip and one head at a time.
OLD_LOOP = """
import torch
from huggingface_hub import hf_hub_download
from torch.nn.functional import linear
from transformers import WhisperForConditionalGeneration

encoder = WhisperForConditionalGeneration.from_pretrained("laion/BUD-E-Whisper").get_encoder()
torch.manual_seed(0)
features = torch.randn(1, 80, 3000)

@torch.no_grad()
def old_loop(stems, revision):
    states = encoder(features).last_hidden_state
    pooled = torch.cat([states.mean(1), states.amin(1), states.amax(1), states.std(1)], 1)
    scores = []
    for stem in stems:
        path = hf_hub_download(repo, f"model_{stem}_best.pth", revision=revision)
        state = torch.load(path, weights_only=True)
        x = states.flatten(1) if state["proj.weight"].shape[1] > 100 else pooled
        x = linear(x, state["proj.weight"], state["proj.bias"])
        for layer in (2, 5, 8, 11):
            x = linear(x.relu(), state[f"mlp.{layer}.weight"], state[f"mlp.{layer}.bias"])
        scores.append(x.item())
    return scores
"""


@pytest.fixture(scope="module")
def stems():
    """Of the heads in the order of the converted model."""
    return [*(emotion.stem for emotion in EMOTIONS), ATTRIBUTES[0].stem]


@pytest.fixture(scope="module")
def release(local_hub, whisper, stems, tmp_path_factory):
    """The public layout on the local Hub: 40 pooled heads, a full one, a card and a sound."""
    folder = tmp_path_factory.mktemp("release")
    for seed, stem in enumerate(stems):
        save_head(folder, stem, seed=seed, **({} if stem == "Anger" else {"n_in": POOLED}))
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# Loose heads\n")
    (folder / "1.mp3").write_bytes(b"ID3\0 a sound")
    local_hub.add("laion/BUD-E-Whisper", whisper, "model")
    local_hub.add(REPO, folder, "model")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def upgraded(publish, release, models):
    """The row of the pull request."""
    (row,) = publish.json("upgrade", REPO, "--models", models, "--yes")["repositories"]
    return row


def test_the_pull_request_adds_a_model_and_removes_nothing(publish, upgraded, release):
    assert upgraded["address"].endswith(f"{REPO}/discussions/1")
    assert (upgraded["removed"], upgraded["changed"]) == ([], ["README.md"])
    assert {"config.json", "model.safetensors.index.json", "modeling_empathic.py"} <= {
        *upgraded["added"]
    }
    main, pull = publish.client(
        "result = [{f.path: f.blob_id for f in api.list_repo_tree(repo, revision=revision)}\n"
        "          for revision in ('main', 'refs/pr/1')]",
        repo=REPO,
    )
    old = {path.name for path in release.iterdir()}
    assert {*main} == old
    assert {name: pull[name] for name in old - {"README.md"}} == {
        name: main[name] for name in old - {"README.md"}
    }


def test_old_loops_go_on_working_and_the_model_says_the_same(publish, upgraded, stems):
    publish.client(OLD_LOOP, repo=REPO)
    before, after, names, new = publish.client(
        "import modeling_empathic\n"
        "from transformers import AutoModel\n"
        "model = AutoModel.from_pretrained(repo, revision='refs/pr/1').eval()\n"
        "with torch.no_grad():\n"
        "    scores = model(features).logits[0].tolist()\n"
        "result = [old_loop(stems, 'main'), old_loop(stems, 'refs/pr/1'),\n"
        "          model.config.head_names, scores]",
        stems=stems,
    )
    assert before == after
    assert names == [*EMOTION_NAMES, ATTRIBUTES[0].name]
    assert new == pytest.approx(before, abs=1e-5)


def test_files_that_are_optional_may_be_absent(publish, upgraded, local_hub):
    answer = publish.client(
        "from transformers import AutoFeatureExtractor\n"
        "from modeling_empathic.reference_scores import read_reference\n"
        "extractor = AutoFeatureExtractor.from_pretrained(repo, revision='refs/pr/1')\n"
        "result = [type(extractor).__name__, read_reference(repo, 'refs/pr/1')]",
        repo=REPO,
    )
    assert answer == ["WhisperFeatureExtractor", None]
    missed = {request.rsplit("/", 1)[1] for request in local_hub.requests if "HEAD" in request}
    assert {"processor_config.json", "reference_scores.json"} <= missed  # 404, and no error


def test_once_more_it_converts_nothing_and_opens_no_second_one(publish, upgraded, models):
    before = (models / SMALL / "config.json").stat().st_mtime_ns
    (row,) = publish.json("upgrade", REPO, "--models", models, "--yes")["repositories"]
    assert (row["address"], row["pull_request"]) == (None, "refs/pr/1")
    assert (models / SMALL / "config.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("repo", "message"),
    [
        ("laion/Empathic-Insight-Voice-Nano", "give owner/name of one of Empathic-Insight-Voice-S"),
        (SMALL, "give owner/name of one of"),
        ("laion/else", "no repository 'else'"),
        (f"nobody/{SMALL}", f"nobody/{SMALL}"),
    ],
)
def test_what_cannot_be_upgraded_is_one_line(publish, models, tmp_path, repo, message):
    code, out, err = publish("upgrade", repo, "--models", tmp_path, "--yes")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_a_head_that_was_replaced_since_the_conversion_is_refused(
    publish, upgraded, models, release, local_hub, tmp_path
):
    save_head(tmp_path, "Anger", seed=99)
    publish.client(
        "api.upload_file(path_or_fileobj=path, path_in_repo='model_Anger_best.pth', repo_id=repo)",
        path=str(tmp_path / "model_Anger_best.pth"), repo=REPO,
    )  # fmt: skip
    code, _, err = publish("upgrade", REPO, "--models", models, "--yes")
    assert code == 2 and f"is of another model_Anger_best.pth than {REPO} has" in err
