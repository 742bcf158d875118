"""The condensed set and its file: prefixes, sizes, files of other codes, exports."""
