"""Helm, kubectl and what runs them: processes, connections, the files that a user names, and what a failure means."""
