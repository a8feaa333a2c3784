"""Pages of consent: the inbox, and one request with what would run."""
