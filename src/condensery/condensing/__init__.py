"""Condensing: the loop that all methods share, and the parts of a recipe."""
