"""The policies that come with the product, and their tests; data, not code."""
