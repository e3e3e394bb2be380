"""The command `emonet-voice`, one file a command; `commands.py` registers them."""
