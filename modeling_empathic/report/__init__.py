"""Common ground for everything that is written: files, tables, pictures, statistics, progress."""
