"""The metric and the benchmark of EmoNet-Voice: what becomes a metric Space on the Hub."""
