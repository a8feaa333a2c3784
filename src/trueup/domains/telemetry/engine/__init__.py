"""Pure mathematics of comparisons."""
