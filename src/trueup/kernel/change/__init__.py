"""Consent: requests of held actions, votes, quorum, and the one run that follows."""
