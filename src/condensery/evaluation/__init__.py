"""The evaluation of a condensed set: networks are trained on all its sizes and on baselines."""

from condensery.evaluation.evaluate import Evaluation, evaluate
from condensery.evaluation.expert_labels import ExpertLabels, relabel
from condensery.evaluation.observation import Observation, append_observation, read_observations
from condensery.evaluation.protocol import LABELS, EvaluatedSet, Protocol, Teacher
from condensery.evaluation.protocols import protocol_for, published_protocol, usual_protocol
from condensery.evaluation.proxy import PrefixLosses, Proxy
from condensery.evaluation.scores import (
    augmentation_robust_score,
    label_robust_score,
    score_table,
)
from condensery.evaluation.summary import summary, table
from condensery.evaluation.timing import TrainingTime, TrainingTimer, by_seconds

__all__ = [
    "LABELS",
    "EvaluatedSet",
    "Evaluation",
    "ExpertLabels",
    "Observation",
    "PrefixLosses",
    "Protocol",
    "Proxy",
    "Teacher",
    "TrainingTime",
    "TrainingTimer",
    "append_observation",
    "augmentation_robust_score",
    "by_seconds",
    "evaluate",
    "label_robust_score",
    "protocol_for",
    "published_protocol",
    "read_observations",
    "relabel",
    "score_table",
    "summary",
    "table",
    "usual_protocol",
]
