"""Which sets rows need, and which of them are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from condensery.data import load_data
from condensery.errors import ConfigError
from condensery.runs.comparison.rows import compared_row
from condensery.runs.comparison.sets import planned_sets


def sets(word, data, options, *, sizes=(1, 3), base="idc"):
    return planned_sets(compared_row(word, base=base), data, replace(options, sizes=sizes))


def names(found):
    return [run.name for each in found for run in each.runs]


def test_a_method_is_one_run_of_the_full_size(digits, tiny):
    (planned,) = sets("mdc", digits, tiny)
    assert names([planned]) == ["mdc-most-learnable-ipc3"]
    assert (planned.file, planned.sizes, planned.ipc) == ("mdc", (1, 3), 3)
    assert planned.runs[0].recipe.network == "convnet2-w4"


def test_a_runs_anew_for_every_size_and_is_tested_whole(digits, tiny):
    found = sets("a", digits, tiny)
    assert names(found) == ["idc-one-ipc1", "idc-one-ipc3"]
    assert [(each.file, each.sizes, each.ipc) for each in found] == [
        ("a-ipc1", (1,), 1),
        ("a-ipc3", (3,), 3),
    ]


def test_k_means_is_chosen_anew_for_every_size_and_other_rules_once(digits, tiny):
    found = sets("k-means", digits, tiny)
    assert [(each.file, each.sizes, each.ipc) for each in found] == [
        ("k-means-ipc1", (1,), 1),
        ("k-means-ipc3", (3,), 3),
    ]
    assert len({each.identity for each in found}) == 2
    for word in ("herding", "k-means:rerank"):  # an order of one set
        (planned,) = sets(word, digits, tiny)
        assert (planned.sizes, planned.ipc) == ((1, 3), 3)


def test_c_is_the_largest_run_of_a_and_the_base_method_itself(digits, tiny):
    (c,), (idc,), (one,) = (sets(w, digits, tiny) for w in ("c", "idc", "idc:one"))
    largest = sets("a", digits, tiny)[-1]
    assert c.runs == idc.runs == one.runs == largest.runs
    assert c.identity == largest.identity


def test_c_of_a_multisize_base_has_no_subset_loss(digits, tiny):
    (c,) = sets("c", digits, tiny, base="mdc")
    assert names([c]) == ["mdc-one-ipc3"]


def test_b_runs_for_one_image_from_every_rank_of_the_full_start(digits, tiny):
    (planned,) = sets("b", digits, tiny)
    assert names([planned]) == ["idc-one-ipc1", "idc-one-ipc1-rank1", "idc-one-ipc1-rank2"]
    assert {run.recipe.ipc for run in planned.runs} == {1}
    assert planned.runs[1].source.ipc == 3
    assert planned.runs[0] == sets("a", digits, tiny)[0].runs[0]


def test_b_begins_with_rank_0_where_the_start_depends_on_the_size(digits, tiny):
    (planned,) = sets("b", digits, tiny, base="dream")
    assert names([planned])[0] == "dream-one-ipc1-rank0"


def test_b_needs_an_image_of_every_class_for_every_run(tiny):
    data = load_data("digits").train
    keep = torch.cat([data.of_class(c)[: 2 if c == 4 else 9] for c in range(10)])
    small = replace(data, images=data.images[keep], labels=data.labels[keep])
    with pytest.raises(ConfigError, match=r"3 runs .* has 2\. Leave out b, or use --ipc 2"):
        sets("b", small, tiny)


def test_a_setting_of_one_method_leaves_the_others_alone(digits, tiny):
    own = (("mdc:size_policy.period", "7"), ("idc:all:update.lr", "0.5"))
    options = replace(tiny, settings=(*tiny.settings, *own))
    assert sets("mdc", digits, options)[0].runs[0].recipe.size_policy.period == 7
    lr = {
        word: sets(word, digits, options)[0].runs[0].recipe.update.lr for word in ("idc", "idc:all")
    }
    assert lr["idc:all"] == 0.5 != lr["idc"]


def test_a_setting_that_does_not_fit_names_the_row_and_the_way_out(digits, tiny):
    options = replace(tiny, settings=(("size_policy.period", "7"),))
    with pytest.raises(ConfigError, match=r"c: .*size_policy\.period.*--set idc:KEY=VALUE"):
        sets("c", digits, options)


def test_a_method_without_a_network_keeps_none(digits, tiny):
    options = replace(tiny, settings=())
    assert sets("kip", digits, options)[0].runs[0].recipe.network == "none"
