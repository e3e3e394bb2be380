"""Whoever imports transformers and this package, in whatever order, has the model registered."""

import json
import re
import subprocess
import sys

import pytest

from tests.support.places import REPOSITORY

HEAVY = {"datasets", "librosa", "numpy", "pyarrow", "torch", "transformers"}
BUILT_ON_TRANSFORMERS = [
    file.stem
    for file in (REPOSITORY / "modeling_empathic").glob("*_empathic.py")
    if re.search(r"^(from|import) transformers", file.read_text(), re.MULTILINE)
]
# A transformers that costs nothing, and a registration that is only counted.
LIGHT = """
import os, pathlib, sys, threading
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
fake = pathlib.Path(sys.argv[1], 'transformers.py')
fake.write_text('')
import modeling_empathic
from modeling_empathic import registration
calls = []
registration.register = lambda: calls.append(sorted(sys.modules[n].__name__
    for n in ('transformers', 'modeling_empathic.taxonomy') if n in sys.modules))
watches = lambda: sum(isinstance(f, registration._Watch) for f in sys.meta_path)
"""


def in_fresh_process(program: str, *arguments: object) -> str:
    """Runs a program and returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True, text=True, cwd=REPOSITORY, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_the_names_of_the_emotions_cost_no_heavy_import():
    program = (
        "import sys, modeling_empathic.taxonomy; "
        f"print(sorted({HEAVY} & set(sys.modules)), 'EmpathicInsightModel' in dir("
        "sys.modules['modeling_empathic']))"
    )
    assert in_fresh_process(program) == "[] True"


def test_every_order_of_imports_ends_registered():
    orders = [
        ["modeling_empathic", "transformers"],
        ["modeling_empathic.taxonomy", "transformers.models.auto"],
        ["transformers", "modeling_empathic.taxonomy"],
        ["transformers.pipelines", "modeling_empathic"],
        *([f"modeling_empathic.{name}"] for name in BUILT_ON_TRANSFORMERS),
        ["modeling_empathic.saving_empathic"],
        ["modeling_empathic", "transformers", "modeling_empathic.pipeline_empathic"],
    ]
    # One process imports what is heavy and does not matter here; each order is a fork of it, and
    # the first of them only tells what that is.
    program = """
import importlib, json, os, sys
import numpy, torch
orders = json.loads(sys.argv[1])
read, write = os.pipe()
for number, order in enumerate([orders[0], *orders]):
    child = os.fork()
    if child == 0:
        try:
            for name in order:
                importlib.import_module(name)
            assert 'transformers' in sys.modules
            from transformers import CONFIG_MAPPING, MODEL_MAPPING
            from transformers.pipelines import PIPELINE_REGISTRY
            config = CONFIG_MAPPING['empathic_insight']
            assert config.__module__ == 'modeling_empathic.configuration_empathic'
            assert MODEL_MAPPING[config].__module__ == 'modeling_empathic.modeling_empathic'
            assert 'voice-emotion' in PIPELINE_REGISTRY.get_supported_tasks()
            assert not any(type(f).__name__ == '_Watch' for f in sys.meta_path)
            if number == 0:
                os.write(write, ' '.join(sys.modules).encode())
            os._exit(0)
        except BaseException as error:
            print(order, repr(error), flush=True)
            os._exit(1)
    if number == 0:
        os.close(write)
        heavy = [name for name in os.fdopen(read).read().split()
                 if name.split('.')[0] not in ('transformers', 'modeling_empathic')]
        for name in heavy:
            try:
                importlib.import_module(name)
            except ImportError:
                pass  # a name that its library made up
        assert 'transformers' not in sys.modules
    os.waitpid(child, 0)
print('done')
"""

    assert len(BUILT_ON_TRANSFORMERS) >= 4
    assert in_fresh_process(program, json.dumps(orders)) == "done"


def test_importing_again_and_reloading_do_no_harm():
    program = """
import importlib, sys, warnings
import transformers, modeling_empathic
from modeling_empathic import registration
from modeling_empathic.configuration_empathic import EmpathicInsightConfig
importlib.reload(registration)
importlib.reload(modeling_empathic)
registration.register()
assert transformers.CONFIG_MAPPING['empathic_insight'] is EmpathicInsightConfig
print('done')
"""
    assert in_fresh_process(program) == "done"


def test_transformers_registers_once_and_then_nothing_is_watched(tmp_path):
    program = """
import modeling_empathic.taxonomy
assert (calls, watches()) == ([], 1)
registration.install()
import importlib.util
importlib.util.find_spec('transformers')  # as libraries ask whether it is there
assert (calls, watches()) == ([], 1)
import transformers
import modeling_empathic.audio
print(calls, watches())
"""
    assert in_fresh_process(LIGHT + program, tmp_path) == (
        "[['modeling_empathic.taxonomy', 'transformers']] 0"
    )


@pytest.mark.parametrize("failing", ["transformers", "registration"])
def test_an_import_that_failed_registers_when_it_is_tried_again(failing, tmp_path):
    program = """
register = registration.register
def fail(): raise ImportError('one day')
if sys.argv[2] == 'transformers':
    fake.write_text("raise ImportError('one day')")
else:
    registration.register = fail
for _ in range(2):
    try:
        import transformers
    except ImportError as error:
        assert str(error) == 'one day'
    else:
        raise SystemExit('it was imported')
assert (calls, watches()) == ([], 1)
fake.write_text('')
registration.register = register
import transformers
print(calls, watches())
"""
    assert in_fresh_process(LIGHT + program, tmp_path, failing) == "[['transformers']] 0"


def test_two_threads_that_import_at_once_both_succeed(tmp_path):
    """The one registers, and for that needs a file that the other is importing."""
    (tmp_path / "late.py").write_text(
        "import threading\nthreading.started.set()\nimport transformers\nvalue = 1\n"
    )
    program = """
modeling_empathic.__path__.append(sys.argv[1])
threading.started, registering = threading.Event(), threading.Event()
def register():
    registering.set()
    threading.started.wait()
    import time; time.sleep(0.2)  # until the other waits for transformers
    from modeling_empathic.late import value
    calls.append(value)
registration.register = register
def other():
    registering.wait()
    import modeling_empathic.late
thread = threading.Thread(target=other)
thread.start()
import transformers
thread.join()
print(calls, watches())
"""
    assert in_fresh_process(LIGHT + program, tmp_path) == "[1] 0"


def test_a_loader_is_left_as_it_was(tmp_path):
    """Spawned workers and debuggers may pickle modules' specs."""
    program = """
import pickle
import transformers, modeling_empathic.taxonomy
for module in (transformers, modeling_empathic.taxonomy):
    pickle.dumps(module.__spec__.loader)
print('done')
"""
    assert in_fresh_process(LIGHT + program, tmp_path) == "done"
