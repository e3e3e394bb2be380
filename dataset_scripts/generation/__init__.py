"""EmoNet-Voice Big: a plan of who says what in which emotion, and the audio spoken after it."""
