"""Decodes a recording in a process of its own, with little memory, little time and no secrets.

A file from a stranger that makes a decoder crash, loop or fill the memory ends that process, and
the page says so.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from emonet.audio import AudioError, Sound, read_audio

MEMORY_BYTES = 2 << 30
"""Of addresses: the libraries take a third, half an hour of sound 0.12 GB."""
TIME_S = 60
_KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR")


def read_apart(path: str, max_duration_s: float) -> Sound:
    """As `read_audio`, in another process.

    Args:
        path: Of the recording.
        max_duration_s: The longest to accept.

    Raises:
        AudioError: As `read_audio`, or the process ended otherwise.
    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(Path(path).absolute()), str(max_duration_s)]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=TIME_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise AudioError(f"recording: not decoded within {TIME_S} s") from None
    head, _, samples = done.stdout.partition(b"\n")
    if done.returncode or not head:
        raise AudioError("recording: the decoder broke on it, or needs too much memory")
    said = json.loads(head)
    if "error" in said:
        raise AudioError(said["error"])
    return Sound(np.frombuffer(samples, np.float32).copy(), tuple(said["notes"]))


def _decode(path: str, max_duration_s: float) -> None:
    """The other process: a line of JSON on stdout, then the samples."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (TIME_S, TIME_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except ImportError:  # only Unix has them
        pass
    try:
        sound = read_audio(path, name="recording", max_duration_s=max_duration_s)
    except AudioError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        return
    sys.stdout.write(json.dumps({"notes": sound.notes}) + "\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(sound.samples.tobytes())


if __name__ == "__main__":
    _decode(sys.argv[1], float(sys.argv[2]))
