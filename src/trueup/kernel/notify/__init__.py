"""Alerts with a state, and the sinks that tell people of them."""
