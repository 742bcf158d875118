"""Readers for all forms of data sets; ``path`` chooses one of them.

All readers raise ``DataError`` for damaged, missing or ambiguous input: what was found, why it
cannot be read for certain, and what would work.
"""
