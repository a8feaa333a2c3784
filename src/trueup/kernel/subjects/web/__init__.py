"""The pages of subjects."""
