"""To import this project asks nobody anything: no network, no telemetry."""

import subprocess
import sys

from tests.support.places import REPOSITORY

PROGRAM = """
import importlib, pkgutil, socket, sys

def refuse(*_, **__):
    raise AssertionError("a connection at import")

for name in ("connect", "connect_ex", "sendto", "sendmsg"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = socket.create_connection = refuse
sys.addaudithook(lambda event, _: refuse() if event in ("socket.connect", "socket.getaddrinfo")
                 else None)
n, absent = 0, []
for package in ("modeling_empathic", "dataset_scripts", "evaluate_metrics", "emonet_voice"):
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        try:
            importlib.import_module(found.name)
            n += 1
        except ImportError as error:  # an extra that is not installed
            absent.append(str(error))
print(n, len(absent))
"""


def test_no_module_connects_when_it_is_imported():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    n, absent = map(int, done.stdout.split()[-2:])
    assert n > 150 and absent < 10
