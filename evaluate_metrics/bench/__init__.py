"""A system against the raters of Bench: reading, the join, the result, tables and pictures."""
