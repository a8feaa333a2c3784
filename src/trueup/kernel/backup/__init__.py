"""Back-ups: the whole installation in one file that any supported store can be restored from."""
