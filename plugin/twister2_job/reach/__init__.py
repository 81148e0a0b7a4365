"""Reaches workers from this machine: checks which addresses answer, and forwards a port if none does."""
