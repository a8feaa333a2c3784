"""How names are brought to one form, and when two of them mean the same thing. Pure."""
