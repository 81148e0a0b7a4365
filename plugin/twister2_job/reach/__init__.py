"""From this machine to a worker: whether its addresses answer, and a way to it where none does."""
