"""From a corpus to a folder for the Hub: typed Parquet, README, manifest."""
