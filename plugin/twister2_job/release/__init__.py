"""A Helm release: what an install, upgrade or uninstall needs to know, does, waits for and takes back."""
