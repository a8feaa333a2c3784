"""The pages of automation."""
