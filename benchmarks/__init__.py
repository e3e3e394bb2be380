"""Measurements: each script writes its results, and the tables of README.md from all of them."""
