"""Secrets, sealed and used by reference."""
