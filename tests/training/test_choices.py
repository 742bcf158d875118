from __future__ import annotations

import pytest

from condensery.errors import ConfigError
from condensery.training import SGDTraining


def test_a_choice_that_cannot_work_is_named_with_its_value(each):
    for field, value in each(
        [
            ("batch", 0),
            ("lr", 0.0),
            ("lr", float("nan")),
            ("momentum", 1.0),
            ("momentum", -0.1),
            ("weight_decay", -1e-4),
            ("cutmix", 1.5),
            ("cutmix", -0.5),
        ]
    ):
        with pytest.raises(ConfigError, match=f"{field} = {value}"):
            SGDTraining(**{field: value})


def test_the_defaults_are_the_network_update_of_idc():
    choices = SGDTraining()

    assert (choices.batch, choices.lr, choices.momentum) == (64, 0.01, 0.9)
    assert (choices.weight_decay, choices.cutmix) == (5e-4, 0.5)
    assert choices.augment.strategy == "color_crop"
