"""The offline voice, and how it acts emotions."""
