"""What `score` is given: paths, lists of them on standard input and, with Ray, addresses."""

import sys
from collections import Counter
from typing import Any

from .options import UsageError


def find_clips(paths: list[str], passed_over: Counter[str], on_ray: bool) -> list[str]:
    """The clips of the paths, each `-` replaced by the list on stdin, whose bad lines are kept."""
    from modeling_empathic.scoring.listing import find_audio, read_list

    listed = "-" in paths
    expanded: list[str] = []
    for path in paths:
        if path == "-":
            binary = getattr(sys.stdin, "buffer", None)
            if sys.stdin:  # None where the shell has closed it
                expanded += read_list(binary.read() if binary else sys.stdin.read().encode())
        else:
            expanded.append(path)
    if not expanded:
        raise UsageError("no paths on stdin")
    more: dict[str, Any] = {}
    if on_ray:
        from modeling_empathic.scoring.blocks import SUFFIXES, list_address

        more = {"suffixes": SUFFIXES, "at_address": list_address}
    return find_audio(expanded, listed=listed, passed_over=passed_over, **more)
