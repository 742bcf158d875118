"""Measuring a condensed set: networks trained on every size, beside as many random real images."""

from condensery.evaluation.evaluate import Evaluation, evaluate
from condensery.evaluation.observation import Observation, append_observation, read_observations
from condensery.evaluation.protocol import LABELS, Protocol, Subject
from condensery.evaluation.protocols import DEFAULTS, PROTOCOLS, protocol_for
from condensery.evaluation.summary import summary, table

__all__ = [
    "DEFAULTS",
    "LABELS",
    "PROTOCOLS",
    "Evaluation",
    "Observation",
    "Protocol",
    "Subject",
    "append_observation",
    "evaluate",
    "protocol_for",
    "read_observations",
    "summary",
    "table",
]
