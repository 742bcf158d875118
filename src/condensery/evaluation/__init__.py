"""Measuring a condensed set: networks trained on every size, beside as many random real images."""

from condensery.evaluation.evaluate import Evaluation, evaluate, observe
from condensery.evaluation.observation import Observation, append_observation, read_observations
from condensery.evaluation.protocol import LABELS, Protocol, Subject
from condensery.evaluation.protocols import DEFAULTS, PROTOCOLS, protocol_for
from condensery.evaluation.selection import herding, random_selection, select
from condensery.evaluation.summary import summary, table
from condensery.evaluation.trials import Trials

__all__ = [
    "DEFAULTS",
    "LABELS",
    "PROTOCOLS",
    "Evaluation",
    "Observation",
    "Protocol",
    "Subject",
    "Trials",
    "append_observation",
    "evaluate",
    "herding",
    "observe",
    "protocol_for",
    "random_selection",
    "read_observations",
    "select",
    "summary",
    "table",
]
