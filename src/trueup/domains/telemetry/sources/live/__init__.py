"""Sources that run: what they hear is durable before it is acknowledged."""
