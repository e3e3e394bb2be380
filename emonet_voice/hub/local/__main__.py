"""`python -m emonet_voice.hub.local`."""

import sys

from .server import main

if __name__ == "__main__":
    sys.exit(main())
