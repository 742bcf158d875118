"""Folders of image files: which image is of which class and of which split."""
