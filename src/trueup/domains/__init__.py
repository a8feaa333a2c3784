"""The domains: one room each."""
