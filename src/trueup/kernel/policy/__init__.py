"""Policy: who may do what, and why."""
