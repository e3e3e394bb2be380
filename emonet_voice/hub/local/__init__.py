"""A Hugging Face Hub on this machine: `python -m emonet_voice.hub.local FOLDER`."""
