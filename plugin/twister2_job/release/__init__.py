"""Changes of a Helm release: install, upgrade and uninstall, with their checks, their waiting and their undoing."""
