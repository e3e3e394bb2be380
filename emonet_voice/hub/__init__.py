"""The Hub side: the table of repositories, conversion, publishing, and a Hub on this machine."""
