"""The only way out: every hop is decided, resolved once, checked, and recorded."""
