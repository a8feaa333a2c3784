"""Telemetry assurance: does it still behave like the run that was certified?"""
