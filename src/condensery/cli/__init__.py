"""The command line: one file a command; nothing here imports torch before a command runs."""
