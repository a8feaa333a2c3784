"""The API: rooms' endpoints, and one endpoint for each action."""
