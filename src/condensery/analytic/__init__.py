"""Gradients of a network written out, without autograd: for images of one pass, and along a way.

``plan`` recognises what a network does, ``known`` remembers it. ``blocks``, ``maps`` and ``stem``
are its pieces, ``steps`` are they in one sweep, ``sweep`` runs them up and down and along a
direction; ``shares`` says who is swept together. The matching engine and the trainer both stand on
this room. Its slow twin is autograd.
"""
