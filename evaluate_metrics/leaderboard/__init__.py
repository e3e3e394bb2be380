"""Many results as one table, and what the Hub takes of it."""
