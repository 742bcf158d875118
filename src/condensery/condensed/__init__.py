"""The condensed set and its file: prefixes, choice of a size, imports of other codes, exports."""
