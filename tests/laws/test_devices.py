"""Nothing mixes devices: on another device all parts do what they do on the CPU, bit for bit.

The other device is pretended (``pretend.py``): it computes on the CPU, refuses what CUDA refuses,
and counts what would make a GPU wait. These counts have bounds, which may fall but never rise.
"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import cycle

import pytest
import torch
from examples import EXAMPLES, REGISTERED, recipe_with
from pretend import DEVICE, Pretending, available

import condensery
from condensery import placed
from condensery.api import Condensation
from condensery.condensing.loop import initial_state, run_together
from condensery.condensing.progress import State
from condensery.condensing.sizes import AllSizes, MostLearnable
from condensery.devices import deterministic
from condensery.errors import ConfigError
from condensery.evaluation import Proxy
from condensery.parameterizations import Pixels
from condensery.registry import names, parts
from condensery.reranking.order import RULES, rerank
from condensery.selection import select
from condensery.training.gradients import _Graphs
from condensery.training.precision import loss_function
from conftest import Small

there = pytest.mark.skipif(not available(), reason="this torch has no backends in Python")

ANYWHERE = ("parameterization", "augment", "sampler", "size_policy", "init")
"""Slots whose parts fit all recipes, so that one run can test one part of each."""


def test_the_pretend_device_is_there_where_it_must_be():
    if "pretend" in os.environ.get("CONDENSERY_NO_SKIP", ""):
        assert available(), f"torch {torch.__version__} has no pretend device: pin another torch"


@pytest.fixture(autouse=True)
def _alone(threads):
    threads(1)  # the pretended device belongs to one thread
    placed._known.clear()  # what another test has sent


def anywhere(slot: str, name: str) -> bool:
    """Whether any recipe can have the part; networks alone are trained on per-example views."""
    alone = set(EXAMPLES.get((slot, name), {slot})) == {slot}  # it needs no other part
    return slot in ANYWHERE and alone and (slot != "augment" or parts(slot)[name].shared)


def runs(small):
    """Recipes in which all parts take part, several in each."""
    rest = [part for part in REGISTERED if not anywhere(*part)]
    own = {s: [p for p in REGISTERED if p[0] == s and anywhere(*p)] for s in ANYWHERE}
    assert all(len(found) <= len(rest) for found in own.values())
    free = {slot: cycle(found) for slot, found in own.items()}
    engine, seen = cycle(("one-pass", "autograd", "fused")), list[object]()
    for slot, name in rest:
        recipe = replace(recipe_with(small, slot, name), iterations=2)
        if recipe in seen:
            continue
        seen.append(recipe)
        tested = [(slot, name)]
        if recipe.engine == "one-pass":
            recipe = replace(recipe, engine=next(engine))
        for other in ANYWHERE:
            if slot in ANYWHERE and other in EXAMPLES.get((slot, name), ()):
                continue
            tested.append(next(free[other]))
            given = recipe_with(small, *tested[-1])
            recipe = replace(recipe, **{other: getattr(given, other)})
        yield pytest.param(recipe, id="-".join(name for _, name in tested))


def same(found: State, expected: State) -> None:
    a, b = found.tensors(), expected.tensors()
    assert sorted(a) == sorted(b)
    for name, tensor in b.items():
        assert torch.equal(a[name].cpu().nan_to_num(7.5), tensor.nan_to_num(7.5)), name


@there
@pytest.mark.parametrize("recipe", runs(Small()))
def test_a_part_does_on_another_device_what_it_does_on_the_cpu(small, recipe):
    with Pretending():  # both under it, because it has a group norm of its own
        expected = small.run(recipe)
        found = small.run(recipe, device=DEVICE)
    assert found[-1].state.stored.images.device.type == "pretend"
    same(found[-1].state, expected[-1].state)
    assert [p.losses for p in found] == [p.losses for p in expected]


def few_digits(classes: int = 3, each: int = 24):
    """The first images of some digits."""
    data = condensery.load_data("digits")

    def part(images, most):
        own = [(images.labels == c).nonzero()[:most, 0] for c in range(classes)]
        index = torch.cat(own).sort().values
        return replace(
            images,
            images=images.images[index],
            labels=images.labels[index],
            class_names=images.class_names[:classes],
        )

    return replace(data, train=part(data.train, each), test=part(data.test, 10))


WAITS = {
    "dance": (1, 12), "dc": (1, 5), "dm": (1, 12), "dream": (1, 11), "dsa": (1, 7),
    "frepo": (2, 9), "idc": (1, 11), "kip": (2, 1), "mdc": (2, 13), "mtt": (3, 25),
    "ncfm": (1, 13), "nested": (1, 12), "tgdd": (1, 22),
}  # fmt: skip
"""Of every method: how often an image update waits for the device, and how often it copies to it.

Rounded up, for the small runs below, in which an update has up to two steps of a network. With a
smaller number the test says which: enter it. No number may rise."""


@there
@pytest.mark.parametrize("method", names("method"))
def test_a_method_gives_the_same_images_and_a_device_waits_no_more_than_it_did(
    method, monkeypatch, tmp_path
):
    data, settings = few_digits(2, 12), {"classes_per_pass": "2", "iterations": "2"}
    settings |= {} if method == "kip" else {"network": "convnet2-w4"}
    settings |= {"size_policy.period": "1"} if method == "mdc" else {}
    asked = {"method": method, "ipc": 2, "preset": "smoke", "settings": settings}
    found, updates = dict[str, State](), 0
    with Pretending() as seen:
        for device in ("cpu", DEVICE):
            monkeypatch.setenv("CONDENSERY_CACHE", str(tmp_path / device))  # experts of its own
            counted = False
            for progress in (condensing := condensery.condense(data, **asked, device=device)):
                updates += counted and not progress.boundary
                if progress.outer == 0 and progress.boundary and device == DEVICE:
                    seen.clear()  # what is made once
                    counted = True
            found[device] = condensing.state
    assert found[DEVICE].stored.images.device.type == "pretend"
    same(found[DEVICE], found["cpu"])
    waits = seen.total("sync") + seen.total("to-host")
    needed = (-(-waits // updates), -(-seen.total("to-device") // updates))
    if method in WAITS:  # a method of another package has no bound
        assert all(a <= b for a, b in zip(needed, WAITS[method], strict=True)), seen.most(12)
        assert needed == WAITS[method], f"less than before: enter {needed} for {method}"


@there
def test_with_deterministic_algorithms_and_with_graphs_a_method_gives_the_same_images(monkeypatch):
    """Compiling is pretended, too: what is asked of torch is what is tested."""
    data, asked = few_digits(2, 12), set[object]()

    def compile(function, **choices):
        asked.add(choices.get("mode"))
        return function

    def found(device, **more):
        settings = {"iterations": 1, "schedule.inner": 2, "schedule.steps": 2, **more}
        run = condensery.condense(
            data,
            method="idc",
            ipc=2,
            preset="smoke",
            network="convnet2-w4",
            settings={"engine": "autograd", "schedule.training.batch": 8, **settings},
            device=device,
        )
        for _ in run:
            assert torch.backends.cudnn.deterministic is False
        return run.state.stored.images.cpu(), run.recipe

    monkeypatch.setattr(torch, "compile", compile)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    loss_function.cache_clear()
    expected, _ = found("cpu")
    with Pretending(), deterministic():
        images, recipe = found(DEVICE, compiled="graphs")
    loss_function.cache_clear()
    assert recipe.compiled == "graphs"
    assert "reduce-overhead" in asked
    assert not _Graphs.failed
    assert torch.allclose(images, expected, atol=1e-5)
    with pytest.raises(ConfigError, match="compiled = 'graphs' on cpu: only GPUs have CUDA graphs"):
        found("cpu", compiled="graphs")


def test_every_method_of_the_library_has_a_bound():
    assert set(WAITS) == set(names("method"))


@there
def test_sets_that_run_together_do_on_another_device_what_they_do_on_the_cpu(small):
    recipes = [
        small.recipe(ipc=1, iterations=2),
        small.recipe(size_policy=MostLearnable(period=1), iterations=2),
        small.recipe(ipc=2, size_policy=AllSizes(), iterations=2),
    ]
    data = small.data()
    states = [initial_state(recipe, data, seed=small.seed) for recipe in recipes]
    with Pretending():
        here, far = (
            list(run_together(recipes, data, seed=small.seed, states=states, device=device))[-1]
            for device in ("cpu", DEVICE)
        )
    for found, expected in zip(far, here, strict=True):
        same(found.state, expected.state)


@there
def test_a_run_goes_on_from_a_checkpoint_of_the_cpu_and_from_its_own(small):
    recipe = small.recipe(iterations=3)
    whole = small.run(recipe)
    half = next(p.state for p in whole if p.boundary)
    with Pretending():
        expected = small.run(recipe)[-1].state  # with the group norm of the pretended device
        own = next(p.state for p in small.run(recipe, device=DEVICE) if p.boundary)
        rest = small.run(recipe, state=own, device=DEVICE)[-1].state
        same(rest, expected)
        other = State.from_tensors(half.outer, half.tensors())
        small.run(recipe, state=other, device=DEVICE)


@there
def test_a_run_without_iterations_left_has_its_result_and_its_preview(small):
    data = few_digits(2, 12)
    asked = {"method": "dm", "ipc": 1, "preset": "smoke", "settings": {"iterations": "1"}}
    done = condensery.condense(data, **asked)
    expected = done.result(created="")
    with Pretending():
        again = Condensation(done.recipe, data.train, seed=0, state=done.state, device=DEVICE)
        assert torch.equal(again.result(created="").images, expected.images)
        assert again.state.stored.images.device.type == "pretend"
        Proxy(data.train, "convnet2-w4", device=DEVICE, sample=5, probes=1)(
            again.recipe.parameterization.decode(again.state.stored)
        )


@there
def test_data_that_are_on_the_device_can_be_condensed(small):
    with Pretending():
        data = small.data()
        expected = small.run(small.recipe(iterations=1), data)[-1]
        found = small.run(small.recipe(iterations=1), data.to(DEVICE), device=DEVICE)[-1]
        same(found.state, expected.state)
        init = initial_state(small.recipe(), data.to(DEVICE), seed=small.seed)
        assert init.stored.images.shape == expected.state.stored.images.shape


@there
@pytest.mark.parametrize("measured", ["cpu", DEVICE])
def test_a_set_is_measured_by_probes_on_another_device(small, measured):
    data, examples = small.data(), small.examples(Pixels())
    examples = examples.with_images(examples.images.float())
    with Pretending():
        here, far = (
            Proxy(data, "convnet2-w4", device=device, sample=4, probes=1)
            for device in ("cpu", DEVICE)
        )
        assert far(examples.to(measured)) == here(examples)


@there
@pytest.mark.parametrize("protocol", names("protocol"))
def test_a_network_is_trained_and_tested_on_another_device_as_on_the_cpu(protocol, made):
    data, condensed = made
    asked = {"networks": ["convnet2-w4"], "seeds": 1, "steps": 5, "baselines": (), "sizes": [2]}
    asked["precision"] = "fp32"  # whatever this processor multiplies
    if protocol in ("datm", "frepo", "teacher"):  # this set has no learned labels
        asked["labels"] = "hard"
    with Pretending() as seen:
        here = condensery.evaluate(condensed, data, protocol=protocol, **asked).run()
        seen.clear()
        far = condensery.evaluate(condensed, data, protocol=protocol, device=DEVICE, **asked).run()
    waits = seen.total("sync") + seen.total("to-host")
    assert waits < asked["steps"], f"a training step waits: {seen.most(8)}"
    assert [o.accuracy for o in far] == [o.accuracy for o in here]
    assert [o.key for o in far] == [o.key for o in here]


@there
@pytest.mark.parametrize("rule", names("selection"))
def test_a_rule_chooses_the_same_images_on_another_device(rule):
    data = few_digits(2, 12).train
    asked = {"by": rule, "ipc": 2, "network": "convnet2-w4"}
    steps = {"forgetting": 2 * -(-len(data) // 64)}.get(rule, 2 if rule in TRAINED else None)
    with Pretending():
        here, far = (
            select(data, **asked, train_steps=steps, device=device) for device in ("cpu", DEVICE)
        )
    assert torch.equal(far.images, here.images)


TRAINED = ("herding", "k-center", "k-means", "rded")


@there
@pytest.mark.parametrize("rule", RULES)
def test_a_set_is_ordered_on_another_device_as_on_the_cpu(rule, made):
    data, condensed = made
    asked = {"by": rule, "epochs": 2, "best": 1, "network": "convnet2-w4"}
    with Pretending():
        here, far = (rerank(condensed, data, **asked, device=d) for d in ("cpu", DEVICE))
    assert torch.equal(far.images, here.images)


@pytest.fixture(scope="module")
def made():
    data = few_digits(2, 12)
    chosen = select(data.train, by="first", ipc=2)
    return data, replace(chosen, manifest={**chosen.manifest, "learned_lr": 0.01})  # for mtt


@there
def test_a_fault_is_found():
    with Pretending(), pytest.raises(RuntimeError, match="same device"):
        torch.zeros(2, device=DEVICE) + torch.zeros(2)
