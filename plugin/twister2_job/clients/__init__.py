"""Clients of Helm and kubectl: processes, connections, the files that a user names, and the meaning of failures."""
