"""Actions: the only way anything changes."""
