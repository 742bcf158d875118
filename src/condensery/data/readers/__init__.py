"""Readers: one for every form in which data sets are kept; ``path`` chooses among them."""
