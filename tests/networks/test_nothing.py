"""What stands in the place of a network where a method has none."""

from __future__ import annotations

import pytest
import torch

from condensery.engines import choose
from condensery.networks import IdentityNetwork, build, features, known_networks


def test_it_is_built_by_name_and_shows_the_images():
    network = build("none", channels=1, classes=3, side=(4, 4), seed=0, path=("network",))
    images = torch.rand(2, 1, 4, 4)
    assert isinstance(network, IdentityNetwork)
    assert not list(network.parameters())
    assert features(network, images) is images
    assert network(images) is images


def test_it_is_no_network_to_choose():
    assert "none" not in known_networks()


@pytest.mark.parametrize("compiled", [True, False])
def test_the_engine_is_chosen_at_once_and_says_why(compiled: bool):
    choice = choose("auto", IdentityNetwork(), "fp32", compiled=compiled)
    assert (choice.name, choice.reason) == ("autograd", "no network to differentiate")
