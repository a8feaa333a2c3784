"""Trueup compares what an organisation claims with what is, acts only under policy, and proves both."""

__version__ = "0.1.0"
