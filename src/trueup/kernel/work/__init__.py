"""Durable work: jobs, schedules, workers and the outbox of events."""
