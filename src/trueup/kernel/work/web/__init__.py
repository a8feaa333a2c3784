"""The pages of work: jobs as they go, schedules, workers."""
