"""Builders of the EmoNet-Voice data sets: what becomes dataset repositories on the Hub."""
