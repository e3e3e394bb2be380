"""Where the project is, and where real data may be."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("EMONET_SHARED", REPOSITORY.parent / "shared"))
