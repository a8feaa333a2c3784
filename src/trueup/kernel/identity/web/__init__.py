"""Pages of identity: signing in, one's own account, and the administration of people, keys and sessions."""
