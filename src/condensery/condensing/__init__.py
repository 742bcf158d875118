"""Condensing: the one loop, and the parts of a recipe that it runs."""
