"""The command line: modules of commands, each command with its options and its action, and the output forms."""
