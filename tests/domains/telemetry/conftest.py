"""Models can be imported at the head of a test file: Django is told of the rooms first; each test opens its own store."""

from trueup.config.store import configure

configure(None)
