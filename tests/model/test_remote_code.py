"""The ways to load the model, as a user would take them: each in a process of its own."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from modeling_empathic import EmpathicInsightModel
from tests.support.forks import Forks
from tests.support.places import REPOSITORY

# Makes this package impossible to import, however it is installed.
HIDDEN = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'modeling_empathic':
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
"""


@pytest.fixture(scope="module")
def expected(model_folder, tone):
    """Scores of the tone by name, from the class itself."""
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor.from_pretrained(model_folder)
    inputs = extractor(tone, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        model = EmpathicInsightModel.from_pretrained(model_folder)
        scores = model(**inputs).logits[0].tolist()
    return dict(zip(model.config.head_names, scores, strict=True))


@pytest.fixture(scope="module")
def tone_file(tone, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tone") / "tone.npy"
    np.save(path, tone)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a program where this package was not imported, and returns the JSON of its last line."""
    folder = tmp_path_factory.mktemp("forks")
    forks = Forks(folder, HF_MODULES_CACHE=str(folder / "modules"), HF_HUB_OFFLINE="1")

    def typed(program: str, *arguments: object, cwd: Path):
        done = forks(program, *arguments, cwd=cwd)
        assert done.code == 0, done.err[-3000:]
        return json.loads(done.out.splitlines()[-1])

    yield typed
    forks.close()


def test_importing_the_package_is_enough_for_every_auto_class(
    model_folder, tone_file, expected, run
):
    program = """
import json, sys
import modeling_empathic
import numpy as np, torch
from transformers import AutoConfig, AutoModel, AutoModelForAudioClassification, pipeline
from transformers import AutoFeatureExtractor
folder, tone = sys.argv[1], np.load(sys.argv[2])
extractor = AutoFeatureExtractor.from_pretrained(folder)
inputs = extractor(tone, sampling_rate=16000, return_tensors='pt')
names = AutoConfig.from_pretrained(folder).head_names
results = {}
for auto in (AutoModel, AutoModelForAudioClassification):
    model = auto.from_pretrained(folder)
    assert type(model).__module__ == 'modeling_empathic.modeling_empathic', type(model)
    with torch.no_grad():
        results[auto.__name__] = dict(zip(names, model(**inputs).logits[0].tolist()))
ours = pipeline('voice-emotion', model=folder)
results['voice-emotion'] = {row['label']: row['score'] for row in ours(tone)}
stock = pipeline('audio-classification', model=folder)
results['audio-classification'] = {row['label']: row['score'] for row in stock(tone, top_k=None)}
print(json.dumps(results))
"""
    results = run(program, model_folder, tone_file, cwd=REPOSITORY)
    assert len(results) == 4
    for way, scores in results.items():
        assert scores == pytest.approx(expected, abs=1e-5), way


def test_remote_code_works_where_the_package_cannot_be_imported(
    model_folder, tone_file, expected, run, tmp_path
):
    program = (
        HIDDEN
        + """
import json
import numpy as np, torch
from transformers import AutoModel, AutoModelForAudioClassification, AutoFeatureExtractor, pipeline
folder, tone = sys.argv[1], np.load(sys.argv[2])
try:
    import modeling_empathic
except ModuleNotFoundError:
    pass
else:
    raise SystemExit('the package can still be imported')
extractor = AutoFeatureExtractor.from_pretrained(folder)
inputs = extractor(tone, sampling_rate=16000, return_tensors='pt')
results = {}
for auto in (AutoModel, AutoModelForAudioClassification):
    model = auto.from_pretrained(folder, trust_remote_code=True)
    assert type(model).__module__.startswith('transformers_modules'), type(model)
    with torch.no_grad():
        scores = model(**inputs).logits[0].tolist()
    results[auto.__name__] = dict(zip(model.config.head_names, scores))
import os
os.chdir('/')  # the folder that the code comes from was given as a relative path
model.save_pretrained(sys.argv[3])
os.chdir(sys.argv[4])
for task in ('voice-emotion', None):
    ours = pipeline(task, model=folder, trust_remote_code=True)
    results[f'pipeline {task}'] = {row['label']: row['score'] for row in ours(tone)}
stock = pipeline('audio-classification', model=folder, trust_remote_code=True)
results['audio-classification'] = {row['label']: row['score'] for row in stock(tone, top_k=None)}
one = AutoModel.from_pretrained(folder, trust_remote_code=True, heads=['awe'])
assert one.config.head_names == ['Awe'], one.config.head_names
print(json.dumps(results))
"""
    )
    saved = tmp_path / "saved"
    arguments = (model_folder.name, tone_file, saved, model_folder.parent)
    results = run(program, *arguments, cwd=model_folder.parent)
    assert len(results) == 5
    for way, scores in results.items():
        assert scores == pytest.approx(expected, abs=1e-5), way
    # Saved from remote code, the folder is the one that it was loaded from, code included.
    assert (saved / "pipeline_empathic.py").exists()
    for path in model_folder.iterdir():
        if path.name != "preprocessor_config.json":
            assert (saved / path.name).read_bytes() == path.read_bytes(), path.name


def test_without_trust_nothing_of_the_folder_runs(model_folder, run, tmp_path):
    program = (
        HIDDEN
        + """
import json
from transformers import AutoModel
try:
    AutoModel.from_pretrained(sys.argv[1])
except ValueError as error:
    print()  # the prompt of transformers ends without a line break
    print(json.dumps('trust_remote_code' in str(error)))
"""
    )
    assert run(program, model_folder, cwd=tmp_path)


def test_shipped_code_is_flat_and_imports_nothing_of_the_package_by_name():
    from modeling_empathic.saving_empathic import CODE_FILES

    shipped = {Path(name).stem for name in CODE_FILES}
    for name in CODE_FILES:
        tree = ast.parse((REPOSITORY / "modeling_empathic" / name).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
                assert all(name.split(".")[0] != "modeling_empathic" for name in names)
            elif isinstance(node, ast.ImportFrom) and node.level:
                assert (node.level, node.module in shipped) == (1, True), (name, node.module)
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] != "modeling_empathic", name


def test_the_public_names_are_exactly_these():
    import modeling_empathic

    assert modeling_empathic.__all__ == [
        "AudioError",
        "EmpathicInsightConfig",
        "EmpathicInsightModel",
        "EmpathicInsightPipeline",
        "HeadError",
        "NANO",
        "load_audio",
        "resolve",
        "score_files",
    ]
    for name in modeling_empathic.__all__:
        assert getattr(modeling_empathic, name).__doc__


def test_a_model_of_remote_code_goes_into_the_pipeline_as_an_object(
    model_folder, tone_file, expected, run, tmp_path
):
    program = (
        HIDDEN
        + """
import json
import numpy as np
from transformers import AutoFeatureExtractor, AutoModel, pipeline
folder, tone = sys.argv[1], np.load(sys.argv[2])
model = AutoModel.from_pretrained(folder, trust_remote_code=True)
extractor = AutoFeatureExtractor.from_pretrained(folder)
ours = pipeline('voice-emotion', model=model, feature_extractor=extractor)
print(json.dumps({row['label']: row['score'] for row in ours(tone, sampling_rate=16000)}))
"""
    )
    found = run(program, model_folder, tone_file, cwd=tmp_path)
    assert found == pytest.approx(expected, abs=1e-5)
