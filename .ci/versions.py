"""Requirements of the package for pip, a line each, of its core and of the extras that are named.

`lowest` versions that pyproject.toml allows, or the `latest`: as they stand there.

    python .ci/versions.py lowest metric train
"""

import re
import sys
import tomllib
from pathlib import Path

which, *extras = sys.argv[1:]
text = Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8")
project = tomllib.loads(text)["project"]
lines = [*project["dependencies"]]
for extra in extras:
    lines += project["optional-dependencies"][extra]
for line in dict.fromkeys(lines):
    print(re.sub(">=", "==", line) if which == "lowest" else line)
