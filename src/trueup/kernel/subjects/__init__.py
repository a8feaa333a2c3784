"""Subjects: one canonical id for each device, person, application, page or model, however many names it goes by."""
