"""Another order of the images of a condensed set, so that its small sizes are better.

No pixel is changed. ``dynamics`` trains a network on the set and records its predictions for every
example, ``rules`` computes scores from them, and ``order`` an order.
"""

from condensery.reranking.dynamics import Dynamics
from condensery.reranking.order import RULES, rerank, rerank_steps
from condensery.reranking.rules import SCORES

__all__ = ["RULES", "SCORES", "Dynamics", "rerank", "rerank_steps"]
