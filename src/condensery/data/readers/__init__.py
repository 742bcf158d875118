"""Readers: one for every form in which data sets are kept; ``path`` chooses among them.

All of them, and what they use of ``decoding``, raise ``DataError`` about what is damaged, missing
or ambiguous: what was found, why it cannot be read for certain, and what would work.
"""
