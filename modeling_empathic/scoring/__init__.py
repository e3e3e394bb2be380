"""Scoring audio files: clips, batches, the score file and its journal, the model to load."""
