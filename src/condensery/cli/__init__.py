"""The command line: one file for each command; torch is not imported before a command runs."""
