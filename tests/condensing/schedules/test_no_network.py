"""NoNetwork yields its moments and asks for nothing."""

from __future__ import annotations

import pytest
import torch

from condensery.condensing.schedules import NoNetwork, RunContext
from condensery.data import ImageData
from condensery.errors import ConfigError


def test_each_iteration_has_its_moments_and_builds_no_network():
    def never(*path: object) -> torch.nn.Module:
        raise AssertionError(path)

    data = ImageData(
        name="made",
        images=torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
        labels=torch.arange(2),
        class_names=("a", "b"),
        mean=(0.5,),
        std=(0.5,),
    )
    world = RunContext(data=data, network=never, synthetic=lambda: never("synthetic"), seed=7)  # type: ignore[arg-type, return-value]
    moments = list(NoNetwork(inner=3).contexts(5, world))
    assert [moment.at for moment in moments] == [(5, 0), (5, 1), (5, 2)]
    assert all(moment.seed == 7 and moment.target is None for moment in moments)
    assert not list(moments[0].network.parameters())


def test_no_update_is_refused():
    with pytest.raises(ConfigError, match=r"schedule\.inner = 0"):
        NoNetwork(inner=0)
