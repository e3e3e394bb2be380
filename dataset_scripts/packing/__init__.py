"""From spoken clips to a corpus like Big: segments, scores and captions, Parquet for the Hub."""
