"""The command `emonet-voice` and the Hub side of the project; imported by nobody."""
