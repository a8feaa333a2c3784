"""How consent is counted. Pure."""
