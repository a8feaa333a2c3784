"""The mathematics of gates: pure functions over gates and facts."""
