"""The mathematics of work: states, order, backoff, leases, schedules; no clock, no store."""
