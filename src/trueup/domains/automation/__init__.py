"""Automation: repetitive work on web pages, every hop decided by policy, every job exactly once."""
