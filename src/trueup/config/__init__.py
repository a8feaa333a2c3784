"""Settings and wiring: which rooms there are."""
