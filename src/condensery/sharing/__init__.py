"""Condensed sets for other programs and people: exports, and data sets of the Hugging Face Hub."""
