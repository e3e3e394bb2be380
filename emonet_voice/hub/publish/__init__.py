"""From measured artefacts to repositories on the Hub: staged, checked, pushed, rehearsed."""
