"""Policy decisions on Cedar."""
