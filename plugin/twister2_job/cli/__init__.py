"""The command line: each module has commands, a command's options beside its action; and what they print."""
