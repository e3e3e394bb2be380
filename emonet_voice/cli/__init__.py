"""The command `emonet-voice`, one file a command; `app.py` registers them."""
