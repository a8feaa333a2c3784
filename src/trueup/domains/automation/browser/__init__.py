"""Browsers: started without privileges and in their sandbox, with one way out, and an honest name."""
