"""The mathematics of automation: pure functions, without clock, database or network."""
