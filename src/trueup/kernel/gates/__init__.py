"""Gates: three-valued decisions over facts."""
