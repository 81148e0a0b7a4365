"""Finds the workers of a job and their addresses in its live objects."""
