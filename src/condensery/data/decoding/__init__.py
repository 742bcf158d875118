"""Decoding: image files and arrays become 8-bit images of one size, in memory or mapped."""
