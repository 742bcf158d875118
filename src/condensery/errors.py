"""All errors that a user can see, in one class hierarchy.

Each message says what was given, why it cannot work, and what would work.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ArtifactError",
    "CondenseryError",
    "ConfigError",
    "DataError",
    "DataWarning",
    "LostWorkers",
    "NonFiniteLoss",
    "ProcessLost",
    "UnsupportedNetwork",
    "nearest",
]


class CondenseryError(Exception):
    """Base of all errors raised on purpose by this library; the command line exits with 2."""


class ConfigError(CondenseryError):
    """A choice (method, preset, key, size, output folder) that cannot work."""


class DataError(CondenseryError):
    """Images or labels that cannot be read or condensed."""


class DataWarning(UserWarning):
    """Input that was read but may be wrong: the text says why, and which option decides it."""


class UnsupportedNetwork(CondenseryError):
    """A network that the chosen engine cannot differentiate per group."""


class ArtifactError(CondenseryError):
    """A condensed file or a run folder that is damaged, too new, or of another program."""


class NonFiniteLoss(CondenseryError):
    """The matching loss became infinite or NaN; the last good checkpoint is kept."""


class LostWorkers(CondenseryError):
    """The workers of one task on a cluster ended too often; finished results are kept."""


class ProcessLost(CondenseryError):
    """Another process of the run has ended; the last checkpoint is kept."""


def nearest(given: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name, or an empty string."""
    match = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f" Did you mean {match[0]!r}?" if match else ""
