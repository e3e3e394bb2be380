"""Other systems on EmoNet-Voice Bench: one class each, one runner, one kind of file as result."""
