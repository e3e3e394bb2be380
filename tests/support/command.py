"""The command `emonet-voice` in the process of the test."""

import io
import threading
from contextlib import redirect_stderr, redirect_stdout

from modeling_empathic.report import progress

# However slow the machine: no line of how far something is among those that a test counts.
progress.EVERY_S = threading.TIMEOUT_MAX


def run_command(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    from emonet_voice.cli.app import run

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([*map(str, arguments)])
    return code, out.getvalue(), err.getvalue()
