"""From live objects to workers and their addresses."""
