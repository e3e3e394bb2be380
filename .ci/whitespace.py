"""Takes spaces from the ends of lines and gives each file one line end; 1 if a file changed.

python .ci/whitespace.py FILE...
"""

import re
import sys
from pathlib import Path


def clean(text: str) -> str:
    r"""The text as it should be.

    Example:
        >>> clean("a \n\nb\n\n\n")
        'a\n\nb\n'
    """
    body = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).rstrip("\n")
    return body + "\n" if body else ""


if __name__ == "__main__":
    changed = False
    for path in map(Path, sys.argv[1:]):
        before = path.read_bytes().decode("utf-8")
        if (after := clean(before)) != before:
            path.write_bytes(after.encode("utf-8"))
            print(f"changed {path}")
            changed = True
    sys.exit(changed)
