"""The fast engine for ConvNets: analytic second order, one pass for all groups."""

from condensery.engines.fused.engine import Fused

__all__ = ["Fused"]
