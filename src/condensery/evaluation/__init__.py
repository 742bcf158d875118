"""Measuring a condensed set: networks trained on every size, beside as many random real images."""

from condensery.evaluation.evaluate import Evaluation, evaluate
from condensery.evaluation.observation import Observation, append_observation, read_observations
from condensery.evaluation.pace import Pace, Training, by_seconds
from condensery.evaluation.protocol import LABELS, Protocol, Subject, Teacher
from condensery.evaluation.protocols import protocol_for, published_protocol, usual_protocol
from condensery.evaluation.proxy import Measure, Proxy
from condensery.evaluation.scores import (
    augmentation_robust_score,
    label_robust_score,
    score_table,
)
from condensery.evaluation.summary import summary, table

__all__ = [
    "LABELS",
    "Evaluation",
    "Measure",
    "Observation",
    "Pace",
    "Protocol",
    "Proxy",
    "Subject",
    "Teacher",
    "Training",
    "append_observation",
    "augmentation_robust_score",
    "by_seconds",
    "evaluate",
    "label_robust_score",
    "protocol_for",
    "published_protocol",
    "read_observations",
    "score_table",
    "summary",
    "table",
    "usual_protocol",
]
