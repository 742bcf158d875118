"""What Python users call."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

import condensery
from condensery.api import Condensation, resolve
from condensery.condensing.machine_choices import with_engine
from condensery.condensing.recipe import to_json
from condensery.condensing.sizes import MostLearnable
from condensery.engines.toolchain import go_uncompiled
from condensery.errors import CondenseryError, ConfigError
from condensery.registry import names, parts

SHORT = {
    "iterations": "2",
    "network": "convnet2-w4",
    "schedule.inner": "2",
    "schedule.steps": "1",
    "schedule.training.batch": "8",
    "sampler.batch": "4",
}


@pytest.fixture(scope="module")
def digits():
    """Three digits, ten train images each."""
    data = condensery.load_data("digits")
    index = torch.cat([data.train.of_class(c)[:10] for c in range(3)])
    train = replace(
        data.train,
        images=data.train.images[index],
        labels=data.train.labels[index],
        class_names=("0", "1", "2"),
    )
    return replace(data, train=train)


def condense(data, **choices):
    settings = {**SHORT, **choices.pop("settings", {})}
    return condensery.condense(
        data, **{"method": "mdc", "ipc": 2, "preset": "smoke", "settings": settings, **choices}
    )


def test_every_policy_works_with_every_method(each, digits):
    for method, sizes in each(product(["mdc", "idc"], names("size_policy"))):
        run = condense(digits, method=method, size_policy=sizes)
        assert type(run.recipe.size_policy) is parts("size_policy")[sizes]
        result = run.result(created="now")
        assert result.sizes == 2
        assert result.method == method
        assert len(result) == 6
        assert result.manifest["recipe"] == to_json(run.recipe)


def test_naming_the_methods_own_policy_keeps_its_choices(digits):
    own = condense(digits, preset="standard").recipe.size_policy
    assert own != MostLearnable()
    named = condense(digits, preset="standard", size_policy="most-learnable")
    assert named.recipe.size_policy == own


def test_nothing_runs_before_it_is_asked_to(digits):
    run = condense(digits)
    assert isinstance(run, Condensation)
    assert run.state.outer == 0
    assert run.snapshot(created="x").to_bytes() == condense(digits).snapshot(created="x").to_bytes()


def test_breaking_off_and_iterating_again_goes_on(digits):
    whole = condense(digits)
    expected = whole.result(created="now")
    run, seen = condense(digits), []
    for progress in run:
        seen.append((progress.outer, progress.inner, progress.boundary))
        if len(seen) == 2:
            break
    assert run.state is progress.state
    for progress in run:
        seen.append((progress.outer, progress.inner, progress.boundary))
        if len(seen) == 4:
            break
    halfway = run.snapshot(created="now")
    found = run.result(created="now")
    assert seen == [(0, 0, False), (0, 1, False), (0, 1, True), (1, 0, False)]
    assert found.to_bytes() == expected.to_bytes()
    assert halfway.to_bytes() != expected.to_bytes()
    assert run.state.outer == 2
    assert list(run) == []


def test_a_snapshot_is_a_whole_set_at_any_time(digits):
    run = condense(digits)
    sets = [run.snapshot(created="now")]
    sets += [run.snapshot(created="now") for progress in run if not progress.boundary]
    assert len(sets) == 5
    assert len({one.to_bytes() for one in sets}) == 5
    for one in sets:
        assert one.sizes == 2
        assert one.decode(1).images.shape[1:] == (1, 8, 8)


def test_a_result_says_where_it_comes_from(digits):
    run = condense(digits, seed=4)
    found = run.result(created="2026-01-01")
    assert found.name == "digits-mdc-ipc2"
    assert found.seed == 4
    assert found.class_names == digits.train.class_names
    assert found.mean == digits.train.mean
    assert found.std == digits.train.std
    assert found.manifest["created"] == "2026-01-01"
    assert found.manifest["decode"] == run.recipe.parameterization.decode_json()
    assert found.manifest["data"] == {
        "name": "digits",
        "fingerprint": digits.train.fingerprint,
        "images": 30,
        "classes": 3,
    }
    assert run.result().manifest["created"].startswith("20")


def test_both_splits_or_the_train_split_alone_may_be_given(digits):
    both, alone = (condense(d).result(created="x").to_bytes() for d in (digits, digits.train))
    assert both == alone


def test_the_same_seed_gives_the_same_file_and_another_seed_another(digits):
    one, same, other = (
        condense(digits, seed=seed).result(created="x").to_bytes() for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other


def test_a_run_goes_on_from_the_state_of_another(digits):
    first = condense(digits)
    half = next(p.state for p in first if p.boundary)
    rest = Condensation(first.recipe, digits.train, seed=0, state=half)
    expected = first.result(created="x").to_bytes()
    assert rest.result(created="x").to_bytes() == expected


def test_settings_come_last(digits):
    recipe = resolve(
        digits.train,
        method="mdc",
        ipc=3,
        preset="smoke",
        size_policy="all",
        network="convnet2-w8",
        settings={"size_policy": "one", "network": "convnet2-w4", "ipc": "2"},
    )
    assert type(recipe.size_policy) is parts("size_policy")["one"]
    assert (recipe.network, recipe.ipc) == ("convnet2-w4", 2)


def test_what_cannot_work_is_refused_before_any_work(each, digits):
    for choices, said in each(
        [
            ({"method": "mcd"}, "Did you mean 'mdc'"),
            ({"preset": "smok"}, "Did you mean 'smoke'"),
            ({"size_policy": "al"}, "size_policy = 'al'.*Did you mean 'all'"),
            ({"ipc": 0}, "ipc = 0"),
            ({"ipc": 11}, "ipc = 11"),
            ({"settings": {"update.rl": "1"}}, r"update\.rl"),
        ]
    ):
        with pytest.raises(ConfigError, match=said):
            condense(digits, **choices)


def test_an_unknown_network_is_refused_before_it_is_needed_or_at_the_first_step(digits):
    with pytest.raises(CondenseryError, match="convnet33"):
        condense(digits, settings={"network": "convnet33"}).result()


def test_the_recipe_names_the_engine_that_runs_and_why(digits):
    recipe = condense(digits).recipe
    assert recipe.engine == "one-pass"
    assert "too short to compile" in recipe.engine_reason
    fused = condense(digits, settings={"precision": "bf16"}).recipe
    assert (fused.engine, bool(fused.engine_reason)) == ("fused", True)
    asked = condense(digits, settings={"engine": "autograd"}).recipe
    assert (asked.engine, asked.engine_reason) == ("autograd", "asked for")
    assert with_engine(recipe, digits.train) == recipe
    assert condense(digits).snapshot(created="x").manifest["recipe"]["engine"] == "one-pass"


def test_a_network_that_mixes_examples_goes_to_the_reference_engine(digits):
    recipe = condense(digits, settings={"network": "resnet10"}).recipe
    assert recipe.engine == "autograd"
    assert "mixes examples" in recipe.engine_reason


@pytest.fixture(scope="module")
def larger(digits):
    """The same digits with 16 pixels a side."""
    images = digits.train.images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return replace(digits.train, images=images)


def test_a_long_run_is_compiled_and_in_bfloat16_where_the_machine_can(larger, monkeypatch):
    long = {"iterations": "50"}
    monkeypatch.setattr("condensery.condensing.machine_choices.cannot_compile", lambda: None)
    monkeypatch.setattr("condensery.condensing.machine_choices.native_bf16", lambda _: True)
    recipe = condense(larger, settings=long).recipe
    assert (recipe.compiled, recipe.precision, recipe.engine) == (True, "bf16", "fused")
    monkeypatch.setattr("condensery.condensing.machine_choices.native_bf16", lambda _: False)
    assert condense(larger, settings=long).recipe.precision == "fp32"


@pytest.mark.parametrize("precision", [{}, {"precision": "bf16"}])
@pytest.mark.parametrize("compiled", [{}, {"compiled": "true"}])
def test_where_torch_cannot_compile_the_run_is_not_compiled_and_its_recipe_says_why(
    precision, compiled, larger, monkeypatch, caplog
):
    monkeypatch.setattr("condensery.condensing.machine_choices.native_bf16", lambda _: True)
    monkeypatch.setattr("condensery.condensing.machine_choices.cannot_compile", lambda: "no g++")
    recipe = condense(larger, settings={"iterations": "50", **precision, **compiled}).recipe
    expected = ("bf16", "fused") if precision else ("fp32", "one-pass")
    assert (recipe.compiled, recipe.precision, recipe.engine) == (False, *expected)
    assert recipe.engine_reason.endswith("; not compiled, as torch cannot compile here: no g++")
    assert with_engine(recipe, larger) == recipe
    assert caplog.text.count("no g++") == 1


def test_the_compiler_of_the_cpu_decides_nothing_about_a_gpu(larger, monkeypatch):
    monkeypatch.setattr("condensery.condensing.machine_choices.native_bf16", lambda _: False)
    monkeypatch.setattr("condensery.condensing.machine_choices.cannot_compile", lambda: "no g++")
    asked = {"method": "mdc", "ipc": 1, "preset": "quick", "settings": {"iterations": "50"}}
    assert resolve(larger, **asked, device="cuda").compiled
    assert not resolve(larger, **asked).compiled


def test_a_set_whose_run_fell_back_says_so(larger):
    settings = {"compiled": "true", "engine": "fused", "iterations": "1"}
    run = condense(larger, preset="smoke", ipc=1, settings=settings)
    assert run.ran is run.recipe
    go_uncompiled("the disk is full", what="Matching")
    recorded = run.snapshot(created="").manifest["recipe"]
    assert not recorded["compiled"]
    assert recorded["engine_reason"].endswith("torch cannot compile here: the disk is full")


def test_a_run_that_is_short_or_small_or_mixes_examples_is_not_compiled(digits, larger):
    assert not condense(larger, settings={"iterations": "49"}).recipe.compiled
    assert not condense(digits, settings={"iterations": "50"}).recipe.compiled
    mixing = {"iterations": "50", "network": "resnet10"}
    assert not condense(larger, settings=mixing).recipe.compiled


def test_what_the_user_says_about_the_machine_stands(larger):
    settings = {"iterations": "50", "compiled": "false", "precision": "fp32"}
    recipe = condense(larger, settings=settings).recipe
    assert (recipe.compiled, recipe.precision, recipe.engine) == (False, "fp32", "one-pass")


def test_long_training_of_experts_is_compiled_and_in_bfloat16_whatever_the_run(larger, monkeypatch):
    def chosen(network=None, **said):
        settings = {"trajectories": "3", "steps": "20", **said}
        settings = {f"schedule.{key}": value for key, value in settings.items()}
        choices = {"ipc": 2, "preset": "quick", "size_policy": None, "network": network}
        found = resolve(larger, method="mtt", settings=settings, **choices)
        assert (found.compiled, found.precision) == (False, "fp32")
        return found.schedule.compiled, found.schedule.precision

    monkeypatch.setattr("condensery.condensing.machine_choices.cannot_compile", lambda: None)
    monkeypatch.setattr("condensery.condensing.schedules.experts.native_bf16", lambda _: True)
    assert chosen() == (True, "bf16")  # 3 experts of 5 epochs
    assert chosen(steps="19") == (False, "fp32")
    assert chosen(precision="fp32") == (True, "fp32")
    assert chosen(network="resnetap10") == (False, "fp32")
    monkeypatch.setattr("condensery.condensing.schedules.experts.native_bf16", lambda _: False)
    assert chosen() == (True, "fp32")
    monkeypatch.setattr("condensery.condensing.machine_choices.cannot_compile", lambda: "no g++")
    assert chosen() == (False, "fp32")
    assert chosen(compiled="true", precision="bf16") == (False, "bf16")
    assert chosen(compiled="true", buffer="shared") == (True, "fp32")  # may be trained already


def test_an_accelerator_takes_all_classes_at_once(larger):
    choices = {"method": "mdc", "ipc": 2, "preset": "smoke", "size_policy": None, "network": None}
    on_gpu = resolve(larger, **choices, settings={}, device="cuda")
    assert on_gpu.classes_per_pass == 3
    assert resolve(larger, **choices, settings={}).classes_per_pass == 1
    said = resolve(larger, **choices, settings={"classes_per_pass": "2"}, device="cuda")
    assert said.classes_per_pass == 2


def test_a_budget_of_memory_bounds_the_passes_and_not_the_result(larger):
    fused = {"settings": {"engine": "fused"}, "ipc": 3}
    free = condense(larger, **fused).result(created="x")
    tight = condense(larger, **fused, memory=200_000)
    assert (tight.recipe.batch, tight.recipe.saved_activations) != (None, None)
    assert tight.recipe.batch < 32
    bound = tight.result(created="x")
    assert (bound.images.int() - free.images.int()).abs().max() <= 1


def test_a_budget_that_nothing_fits_in_is_refused(larger, digits):
    with pytest.raises(ConfigError, match="memory = 9 bytes, but the activations of one image"):
        condense(larger, settings={"engine": "fused"}, memory=9)
    with pytest.raises(ConfigError, match=r"bounds the fused engine alone.*'one-pass'"):
        condense(digits, memory=10**9)
