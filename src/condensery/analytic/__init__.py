"""A network's gradients written out, without autograd, and their derivative along a direction.

``plan`` recognises what a network does, ``known`` remembers it. ``blocks``, ``maps`` and ``stem``
are its pieces, ``steps`` are these in one sweep, ``sweep`` runs them up, down and along a
direction; ``shares`` says who is swept together. The matching engine and the trainer both stand on
this room. Its slow twin is autograd.
"""
