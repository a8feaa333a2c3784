"""Where alerts are told: standard output and files."""
