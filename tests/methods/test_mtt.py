"""MTT: its published rows, and whole runs of it under the laws of runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import condensery
from condensery.api import Condensation, train_experts
from condensery.condensing.loop import initial_state, run, run_together
from condensery.condensing.progress import State
from condensery.condensing.sizes import AllSizes, MostLearnable, OneSize
from condensery.condensing.updates import SGD
from condensery.data import ImageData
from condensery.errors import ArtifactError, ConfigError
from condensery.experts import ExpertTraining
from condensery.methods import recipe_for

TABLE = {
    # data, ipc: n, M, T+, lr of images, of the learning rate, its start, batch, whitened
    ("cifar10", 1): (50, 2, 2, 1e2, 1e-7, 1e-2, 0, True),
    ("cifar10", 10): (30, 2, 20, 1e2, 1e-5, 1e-3, 0, True),
    ("cifar10", 50): (30, 2, 40, 1e3, 1e-5, 1e-3, 0, False),
    ("cifar100", 1): (20, 3, 20, 1e3, 1e-5, 1e-2, 0, True),
    ("cifar100", 10): (20, 2, 20, 1e3, 1e-5, 1e-2, 0, False),
    ("cifar100", 50): (80, 2, 40, 1e3, 1e-5, 1e-2, 125, True),
    ("tiny-imagenet", 1): (10, 2, 10, 1e4, 1e-4, 1e-2, 0, False),
    ("tiny-imagenet", 10): (20, 2, 40, 1e4, 1e-4, 1e-2, 200, False),
    ("tiny-imagenet", 50): (20, 2, 40, 1e4, 1e-4, 1e-2, 300, False),
    ("imagenette", 1): (20, 2, 10, 1e5, 1e-6, 1e-2, 0, False),
    ("imagenette", 10): (20, 2, 10, 1e5, 1e-6, 1e-2, 20, False),
}
SIDES = {"tiny-imagenet": (64, "convnet4"), "imagenette": (128, "convnet5")}


def data(name="cifar10", side=32):
    return ImageData(
        name=name,
        images=torch.zeros(4, 3, side, side, dtype=torch.uint8),
        labels=torch.tensor([0, 1, 0, 1]),
        class_names=("a", "b"),
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.3, 0.4),
    )


def test_the_paper_preset_is_the_published_row(each):
    for name, ipc in each(TABLE):
        steps, span, max_start_epoch, lr, step_lr, first, batch, whitened = TABLE[name, ipc]
        side, network = SIDES.get(name, (32, "convnet3"))
        recipe = recipe_for("mtt", data(name, side), ipc=ipc, preset="paper")
        assert (recipe.network, recipe.iterations) == (network, 5000)
        assert (recipe.objective.steps, recipe.objective.batch) == (steps, batch)
        schedule, training = recipe.schedule, recipe.schedule.training
        assert (schedule.trajectories, schedule.span, schedule.max_start_epoch) == (
            100,
            span,
            max_start_epoch,
        )
        assert schedule.steps == 0  # whole passes
        assert (training.batch, training.lr) == (256, 0.01)
        assert (training.momentum, training.weight_decay, training.cutmix) == (0, 0, 0)
        for augment in (training.augment, recipe.objective.augment):
            assert (augment.strategy, augment.mode) == (
                "color_crop_cutout_flip_scale_rotate",
                "dsa",
            )
        in_pixels = lr * 0.1 if whitened else lr * 0.3**2
        assert recipe.update.lr == pytest.approx(in_pixels)
        assert recipe.update.momentum == 0.5
        assert recipe.learned_lr.initial == first
        assert recipe.learned_lr.update == SGD(lr=step_lr, momentum=0.5)
        assert recipe.whiten == ("zca" if whitened else "none")


def test_a_size_between_takes_the_row_below_and_digits_are_not_flipped():
    ten, twenty = (recipe_for("mtt", data(), ipc=n, preset="paper") for n in (10, 20))
    assert replace(twenty, ipc=10) == ten
    digits = recipe_for("mtt", data("mnist"), ipc=1, preset="paper")
    assert digits.whiten == "none"
    for augment in (digits.objective.augment, digits.schedule.training.augment):
        assert augment.strategy == "color_crop_cutout_scale_rotate"


def test_sizes_share_their_experts(each):
    for preset in each(["smoke", "quick", "standard", "paper"]):
        recipes = [recipe_for("mtt", data("x"), ipc=ipc, preset=preset) for ipc in (1, 10)]
        one, ten = (r.schedule for r in recipes)
        assert replace(one, max_start_epoch=ten.max_start_epoch) == ten
        assert recipes[0].network == recipes[1].network


# Whole runs, as short as they get.


@pytest.fixture(scope="module")
def digits():
    found = condensery.load_data("digits").train
    index = torch.cat([found.of_class(c)[:12] for c in range(3)])
    return replace(
        found, images=found.images[index], labels=found.labels[index], class_names=("0", "1", "2")
    )


def short(digits, **changes):
    recipe = recipe_for("mtt", digits, ipc=3, preset="smoke")
    schedule = replace(
        recipe.schedule,
        trajectories=2,
        steps=1,
        training=replace(recipe.schedule.training, batch=16),
    )
    schedule = replace(schedule, buffer=changes.pop("buffer", ""))
    return replace(
        recipe, **{"network": "convnet2-w4", "iterations": 4, "schedule": schedule, **changes}
    )


def same(found, expected):
    a, b = found.tensors(), expected.tensors()
    assert sorted(a) == sorted(b)
    for name in a:
        assert torch.equal(a[name].nan_to_num(7.5), b[name].nan_to_num(7.5)), name


POLICIES = [OneSize(), AllSizes(), MostLearnable(period=1), MostLearnable(period=1, classwise=True)]


def test_every_size_policy_works_and_going_on_gives_the_same_bits(each, digits):
    for sizes in each(POLICIES):
        recipe = short(digits, size_policy=sizes)
        whole = list(run(recipe, digits, seed=3))
        half = next(p.state for p in whole if p.boundary and p.outer == 1)
        rest = list(run(recipe, digits, seed=3, state=State.from_tensors(2, half.tensors())))
        same(rest[-1].state, whole[-1].state)
        first, last = whole[0], whole[-1]
        assert next(iter(first.losses)) == "3"
        assert len(last.losses) == (1 if sizes == OneSize() else 3 if sizes == AllSizes() else 2)
        assert float(last.state.stored.learned_lr) != recipe.learned_lr.initial
        assert not torch.equal(
            last.state.stored.images, initial_state(recipe, digits, seed=3).stored.images
        )


def test_images_that_a_grown_choice_freezes_keep_their_bits(digits, monkeypatch):
    chosen = iter((1, 2, 2))

    def growing(self, state, *, outer):
        return {
            **state,
            "previous": state["chosen"],
            "chosen": torch.full_like(state["chosen"], next(chosen)),
        }

    monkeypatch.setattr(MostLearnable, "close", growing)
    recipe = short(digits, size_policy=MostLearnable(period=1), iterations=3)
    progress = list(run(recipe, digits, seed=3))
    before, after = (next(p for p in progress if p.boundary and p.outer == o) for o in (1, 2))
    assert after.frozen == (1, 1)
    held = before.state.stored.rank < 1
    kept, now = (p.state.stored.images for p in (before, after))
    assert torch.equal(now[held], kept[held].clamp(0, 1))
    assert not torch.equal(now[~held], kept[~held].clamp(0, 1))


def test_batched_runs_share_the_experts_and_get_the_bits_they_get_alone(digits):
    recipes = [
        short(digits, ipc=1, iterations=2),
        short(digits, iterations=2, size_policy=AllSizes()),
    ]
    states = [initial_state(recipe, digits, seed=3) for recipe in recipes]
    shared = list(run_together(recipes, digits, seed=3, states=states))[-1]
    for recipe, progress in zip(recipes, shared, strict=True):
        same(progress.state, list(run(recipe, digits, seed=3))[-1].state)


def test_where_experts_are_kept_changes_nothing_but_the_time(
    digits, tmp_path, monkeypatch, own_cache
):
    def made(buffer=""):
        return Condensation(short(digits, buffer=str(buffer), iterations=2), digits, seed=3)

    cached, named = made(), made(tmp_path / "shared")
    *_, in_memory = run(cached.recipe, digits, seed=3)
    images = [c.result(created="now").images for c in (cached, named)]
    assert torch.equal(images[1], images[0])
    stored = in_memory.state.stored.images
    assert torch.equal(stored, cached.state.stored.images)
    (folder,) = (own_cache / "experts").iterdir()
    assert folder.name.startswith(f"{digits.name}-convnet2-w4-")
    for path in (tmp_path / "shared").glob("*.safetensors"):
        assert (folder / path.name).is_file()
    assert cached.snapshot().manifest["recipe"]["schedule"]["buffer"] == ""
    monkeypatch.setattr(ExpertTraining, "after", lambda *_, **__: pytest.fail("trained again"))
    for again in (made(), made(tmp_path / "shared")):
        assert torch.equal(again.result(created="now").images, images[0])


def test_a_set_says_what_its_experts_took_whoever_trained_them(digits):
    first, second = (Condensation(short(digits), digits, seed=seed) for seed in (3, 4))
    one, two = (made.result().manifest["experts"] for made in (first, second))
    assert one == two
    assert one["cpu_seconds"] > 0
    assert (one["experts"], one["epochs"]) == (
        first.recipe.schedule.trajectories,
        first.recipe.schedule.length,
    )
    assert (
        condensery.condense(digits, method="dm", preset="smoke", ipc=1)
        .snapshot()
        .manifest.get("experts")
        is None
    )


def test_another_seed_of_the_run_shares_the_experts_and_another_of_theirs_does_not(digits):
    recipe = short(digits)
    other = replace(recipe, schedule=replace(recipe.schedule, seed=1))
    losses = [
        next(iter(run(r, digits, seed=seed))).loss
        for r, seed in ((recipe, 3), (recipe, 3), (other, 3))
    ]
    assert losses[0] == losses[1] != losses[2]


def test_experts_do_not_depend_on_the_precision_of_a_run(digits):
    fp32, bf16 = (
        next(iter(run(short(digits, precision=precision), digits, seed=3))).loss
        for precision in ("fp32", "bf16")
    )
    assert bf16 == fp32
    schedule = replace(short(digits).schedule, precision="bf16")
    other = next(iter(run(short(digits, schedule=schedule), digits, seed=3))).loss
    assert other != fp32


def test_experts_are_trained_ahead_for_several_sizes(digits, tmp_path):
    words = {"network": "convnet2-w4", "settings": {"schedule.steps": "1"}}
    order = train_experts(digits, tmp_path, preset="smoke", experts=2, epochs=3, **words)
    assert order.missing == 6
    assert len(list(order)) == 6
    assert order.missing == 0
    for ipc in (1, 2):
        settings = {**words["settings"], "schedule.buffer": str(tmp_path), "iterations": "1"}
        made = condensery.condense(
            digits, method="mtt", preset="smoke", ipc=ipc, network="convnet2-w4", settings=settings
        )
        assert made.experts().missing == 0
        assert len(made.result()) == 3 * ipc
    with pytest.raises(ArtifactError, match="'convnet2-w4' there and 'convnet2-w5' here"):
        condensery.condense(
            digits, method="mtt", preset="smoke", network="convnet2-w5", settings=settings
        )
    with pytest.raises(ArtifactError, match=r"training\.lr"):
        train_experts(
            digits,
            tmp_path,
            preset="smoke",
            network="convnet2-w4",
            settings={"schedule.steps": "1", "schedule.training.lr": "0.5"},
        )


def test_a_method_without_experts_has_none_to_train(digits, tmp_path):
    with pytest.raises(ConfigError, match="'mdc' matches no experts"):
        train_experts(digits, tmp_path, method="mdc", ipc=2)
    assert condensery.condense(digits, method="dm", preset="smoke", ipc=1).experts() is None


def test_a_whitened_run_matches_whitened_experts(digits):
    plain, white = short(digits), short(digits, whiten="zca")
    a, b = (next(iter(run(recipe, digits, seed=3))).loss for recipe in (plain, white))
    assert a != b
    result = Condensation(white, digits, seed=3).result(created="now")
    assert result.manifest["zca"]["kind"] == "zca"


def test_the_learned_lr_is_written(digits):
    made = Condensation(short(digits), digits, seed=3)
    result = made.result(created="now")
    assert result.manifest["learned_lr"] == float(made.state.stored.learned_lr)
    assert result.manifest["learned_lr"] != made.recipe.learned_lr.initial
