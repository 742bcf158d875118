from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from condensery.augment import Identity
from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.errors import ConfigError, DataError, DataWarning
from condensery.evaluation import (
    EvaluatedSet,
    Observation,
    Protocol,
    Teacher,
    evaluate,
    protocol_for,
)
from condensery.evaluation import trials as trials_module
from condensery.evaluation.trial import Outcome, Trial
from condensery.selection import random_selection, select
from condensery.training import SGDTraining, suited_precision

SMALL = ("convnet2-w4",)


def same(one: Observation, two: Observation) -> bool:
    return replace(one, seconds=0.0) == replace(two, seconds=0.0)


def test_every_size_seed_and_network_is_observed_once_with_random_images_as_the_baseline(
    data: Data, condensed: CondensedSet
):
    networks = ("convnet2-w4", "convnet1-w4")
    trials = evaluate(condensed, data, sizes=[3, 1], networks=networks, seeds=2, seed=5, steps=2)
    assert len(trials) == 16

    seen = list(trials)

    expected = [
        (seed, size, network, set_)
        for seed in (5, 6)
        for size in (1, 3)
        for network in networks
        for set_ in ("condensed", "random")
    ]
    assert [(o.seed, o.size, o.network, o.set) for o in seen] == expected
    assert {(o.protocol, o.epochs, o.steps, o.precision) for o in seen} == {
        ("idc", None, 2, suited_precision("auto", "cpu"))
    }
    assert [o.images for o in seen] == [3 * o.size for o in seen]
    assert all(0 <= o.accuracy <= 1 and o.seconds > 0 for o in seen)
    assert len(trials) == 0


def test_every_size_and_three_seeds_are_what_one_gets_without_asking(
    data: Data, condensed: CondensedSet
):
    trials = evaluate(condensed, data)

    assert len(trials) == 4 * 3 * 2
    assert {trial.protocol.epochs for trial in trials.planned} == {1000}


def test_bright_and_dark_classes_are_learned(data: Data, condensed: CondensedSet):
    fast = Protocol(name="fast", training=SGDTraining(augment=Identity(), cutmix=0.0), steps=40)
    evaluation = evaluate(
        condensed, data, sizes=[2], networks=("convnet1-w4",), seeds=1, protocol=fast
    )

    (record,) = evaluation.summary()
    assert record["accuracy"] > 0.6
    assert record["random"] > 0.6
    assert "protocol fast, 40 steps, convnet1-w4, 1 seed" in evaluation.table()
    tested = condensed.with_observations(evaluation.summary())
    assert tested.observations == evaluation.summary()


def test_the_choice_of_random_images_varies_with_the_seed_only(data: Data, condensed: CondensedSet):
    planned = evaluate(condensed, data, seeds=2, seed=7).planned
    random = [trial for trial in planned if trial.set == "random"]

    assert len(random) == 8
    for trial in random:
        expected = random_selection(data.train, ipc=trial.size, seed=trial.seed)
        assert torch.equal(trial.images.take(trial.size).images, expected.images)


def test_an_interrupted_evaluation_goes_on_where_it_stopped(data: Data, condensed: CondensedSet):
    choices = {"sizes": [1, 2], "networks": SMALL, "seeds": 2, "steps": 2}
    whole = evaluate(condensed, data, **choices).run()
    known = whole[:3] + whole[5:6]

    trials = evaluate(condensed, data, **choices, known=known)
    assert len(trials) == 4
    rest = list(trials)
    resumed = evaluate(condensed, data, **choices, known=(*known, *rest)).run()

    assert [o.key for o in rest] == [whole[i].key for i in (3, 4, 6, 7)]
    assert all(same(one, whole[i]) for one, i in zip(rest, (3, 4, 6, 7), strict=True))
    assert resumed[:3] == whole[:3]  # taken over, not made again: equal in seconds, too
    assert all(map(same, resumed, whole))


def test_asking_for_more_seeds_keeps_the_first_ones(data: Data, condensed: CondensedSet):
    choices = {"sizes": [1], "networks": SMALL, "steps": 2}
    first = evaluate(condensed, data, seeds=1, **choices).run()

    assert len(evaluate(condensed, data, seeds=3, known=first, **choices)) == 4


def test_observations_of_another_set_are_not_taken_for_this_one(
    data: Data, condensed: CondensedSet
):
    choices = {"sizes": [1], "networks": SMALL, "seeds": 1, "steps": 2}
    other = random_selection(data.train, ipc=4, seed=78)
    known = evaluate(other, data, **choices).run()

    left = list(evaluate(condensed, data, known=known, **choices))

    assert [o.set for o in left] == ["condensed"]  # the random baseline is the same for both


def test_what_is_observed_does_not_depend_on_what_else_is_asked_for(
    data: Data, condensed: CondensedSet
):
    (small,) = (
        o
        for o in evaluate(condensed, data, sizes=[2], networks=SMALL, seeds=1, steps=3)
        if o.set == "random"
    )
    many = evaluate(condensed, data, sizes=[1, 2, 4], networks=("mlp", *SMALL), seeds=1, steps=3)
    (again,) = (o for o in many if (o.set, o.size, o.network) == ("random", 2, SMALL[0]))

    assert same(small, again)


def test_the_test_images_are_normalised_as_the_set_was_made_for(
    data: Data, condensed: CondensedSet
):
    shifted = replace(data, test=replace(data.test, mean=(0.9,), std=(0.05,)))
    choices = {"sizes": [2], "networks": SMALL, "seeds": 1, "steps": 2}

    one = evaluate(condensed, data, **choices).run()
    two = evaluate(condensed, shifted, **choices).run()

    assert all(map(same, one, two))
    assert {trial.test.mean for trial in evaluate(condensed, shifted).planned} == {(0.4,)}


def test_a_class_with_fewer_images_than_the_size_gives_all_it_has(split):
    data = Data(name="toy", train=split((2, 4, 4), 0), test=split((3, 3, 3), 1))
    condensed = random_selection(data.train, ipc=4, seed=1)

    seen = list(evaluate(condensed, data, sizes=[4], networks=SMALL, seeds=1, steps=2))

    assert [o.images for o in seen] == [10, 10]


def broken(*, channels: int, classes: int, side: tuple[int, int]) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(7, classes))


def test_a_choice_that_cannot_work_is_refused_before_anything_is_trained(
    each, data: Data, condensed: CondensedSet, monkeypatch: pytest.MonkeyPatch
):
    for choices, words in each(
        [
            ({"sizes": [1, 2, 5]}, r"sizes = \[1, 2, 5\] but the set stores 4.*1\.\.4"),
            ({"sizes": [0]}, r"sizes = \[0\]"),
            ({"sizes": []}, "at least one"),
            ({"seeds": 0}, "seeds = 0"),
            ({"networks": ()}, "networks is empty"),
            ({"networks": ("convnet2-w4", "convnett3")}, "convnett3"),
            ({"networks": (broken,)}, "broken"),
            ({"protocol": "icd"}, "Did you mean 'idc'"),
            ({"epochs": 0}, "epochs = 0"),
            ({"epochs": 5, "steps": 5}, "not both"),
            ({"precision": "bf61"}, "Did you mean 'bf16'"),
        ]
    ):
        monkeypatch.setattr(Trial, "run", lambda *_, **__: pytest.fail("a network was trained"))

        with pytest.raises(ConfigError, match=words):
            evaluate(condensed, data, **choices)


def test_test_images_that_do_not_fit_the_set_are_refused(
    each, data: Data, condensed: CondensedSet, split
):
    for counts, changes, words in each(
        [
            ((2, 2, 2), {"side": 9}, "8 x 8.*9 x 9"),
            ((2, 2, 2), {"channels": 3}, "1 channel .*3 channels"),
            ((2, 2), {}, "3 classes.* 2"),
        ]
    ):
        with pytest.raises(DataError, match=words):
            evaluate(condensed, replace(data, test=split(counts, 0, **changes)))


def test_a_set_of_an_unknown_whitening_is_refused(data: Data, condensed: CondensedSet):
    whitened = replace(condensed, manifest={**condensed.manifest, "zca": {"ridge": 0.1}})

    with pytest.raises(DataError, match="ZCA"):
        evaluate(whitened, data)


def reordered(data: Data, order: list[int], names: tuple[str, ...]) -> Data:
    """The data with label ``order[i]`` instead of ``i``, and these names."""
    train, test = (
        replace(split, labels=torch.tensor(order)[split.labels], class_names=names)
        for split in (data.train, data.test)
    )
    return replace(data, train=train, test=test)


def test_test_images_are_counted_as_in_the_set_whatever_the_order_of_their_classes(
    data: Data, condensed: CondensedSet
):
    other = reordered(data, [2, 0, 1], ("C1", "c2", "c0"))

    with pytest.warns(DataWarning, match=r"another order.*3 have another label there: c1 \(0 -> 1"):
        evaluation = evaluate(condensed, other, sizes=[1], seeds=1)
    trial = evaluation.planned[0]
    assert trial.set == "condensed"
    assert torch.equal(trial.test.labels, data.test.labels)
    random = evaluation.planned[1]
    assert torch.equal(random.test.labels, other.test.labels)
    assert random.images.class_names == other.train.class_names


def test_classes_of_other_names_are_refused_unless_the_training_images_are_those_of_the_set(
    data: Data, condensed: CondensedSet
):
    names = ("zero", "one", "two")
    with pytest.raises(DataError, match=r"c0, c1, c2.*zero, one, two.*--classes"):
        evaluate(condensed, reordered(data, [0, 2, 1], names))
    assert len(evaluate(condensed, reordered(data, [0, 1, 2], names), sizes=[1], seeds=1)) == 2


def test_the_numbers_of_a_set_are_named_by_the_option(data: Data, condensed: CondensedSet):
    manifest = {**condensed.manifest, "class_names": ["0", "1", "2"]}
    numbered = replace(condensed, manifest=manifest)
    other = reordered(data, [1, 0, 2], ("b", "a", "c"))
    with pytest.raises(DataError, match="Numbers do not say for certain"):
        evaluate(numbered, other)
    with pytest.warns(DataWarning, match="another order"):
        evaluation = evaluate(numbered, other, sizes=[1], seeds=1, classes=["a", "b", "c"])
    assert torch.equal(evaluation.planned[0].test.labels, data.test.labels)


@pytest.fixture
def compiled(
    data: Data, condensed: CondensedSet, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., set[bool]]:
    """Which trials of a choice are compiled, where 100 steps of any network are worth it."""
    monkeypatch.setattr(trials_module, "COMPILE_AFTER", 100)
    monkeypatch.setattr(trials_module, "FUSED_AFTER", 100)
    monkeypatch.setattr(trials_module, "cannot_compile", lambda: None)
    asked: list[bool] = []

    def run(self: Trial, *, compiled: bool) -> Outcome:
        asked.append(compiled)
        return Outcome(0.5, 1.0)

    monkeypatch.setattr(Trial, "run", run)

    def choice(batch: int, networks: str, **choices: object) -> set[bool]:
        asked.clear()
        training = SGDTraining(augment=Identity(), batch=batch)
        protocol = Protocol(name="p", training=training)
        list(evaluate(condensed, data, sizes=[2], networks=networks, protocol=protocol, **choices))
        return set(asked)

    return choice


def test_another_network_is_compiled_in_bfloat16_for_many_full_batches(
    compiled: Callable[..., set[bool]],
):
    assert compiled(6, "convnet1-w4-bn", steps=50, seeds=1, precision="bf16") == {True}
    assert compiled(6, "convnet1-w4-bn", steps=49, seeds=1, precision="bf16") == {False}
    assert compiled(6, "convnet1-w4-bn", steps=25, seeds=2, precision="bf16") == {True}
    assert compiled(64, "convnet1-w4-bn", steps=50, seeds=1, precision="bf16") == {False}
    assert compiled(6, "convnet1-w4-bn", steps=50, seeds=1, precision="fp32") == {False}


def test_without_bfloat16_auto_compiles_what_the_fused_engine_trains(
    compiled: Callable[..., set[bool]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("condensery.training.precision.native_bf16", lambda device: False)
    assert compiled(64, "convnet2-w4", steps=50, seeds=1, precision="auto") == {True}
    assert compiled(64, "convnet2-w4", steps=49, seeds=1, precision="auto") == {False}
    assert compiled(6, "convnet1-w4-bn", steps=50, seeds=1, precision="auto") == {False}


def test_of_a_convnet_every_step_counts(compiled: Callable[..., set[bool]]):
    assert compiled(64, "convnet2-w4", steps=50, seeds=1, precision="bf16") == {True}
    assert compiled(64, "convnet2-w4", steps=49, seeds=1, precision="bf16") == {False}
    assert compiled(64, "convnet2-w4", steps=50, seeds=1, precision="fp32") == {False}


def test_without_a_compiler_nothing_is_compiled_and_a_warning_says_so(
    compiled: Callable[..., set[bool]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr(trials_module, "cannot_compile", lambda: "no g++")

    assert compiled(64, "convnet2-w4", steps=49, seeds=1, precision="bf16") == {False}
    assert caplog.text == ""
    assert compiled(64, "convnet2-w4", steps=50, seeds=1, precision="bf16") == {False}
    assert "torch cannot compile here: no g++." in caplog.text


def test_nothing_is_trained_until_a_result_is_asked_for(data: Data, condensed: CondensedSet):
    evaluation = evaluate(condensed, data, sizes=[1], networks=SMALL, seeds=2, steps=2)

    assert len(evaluation) == 4
    first = next(evaluation)
    assert len(evaluation) == 3
    assert len(evaluation.run()) == 4
    assert evaluation.run()[0] is first
    assert len(evaluation) == 0
    assert evaluation.summary()[0]["seeds"] == 2


def test_a_set_is_tested_as_its_method_was_published_or_as_asked(
    each, data: Data, condensed: CondensedSet
):
    for method, protocol in each([("mdc", "idc"), ("dc", "dc"), ("dm", "dsa"), ("mtt", "mtt")]):
        manifest = {**condensed.manifest, "method": method, "learned_lr": 0.03}
        made = replace(condensed, manifest=manifest)

        own = evaluate(made, data, seeds=1, sizes=[1])
        assert own.protocol.name == protocol
        assert own.protocol.training.lr == (0.03 if method == "mtt" else 0.01)
        assert evaluate(made, data, seeds=1, sizes=[1], protocol="idc").protocol.name == "idc"
        (seen, _) = evaluate(made, data, seeds=1, sizes=[1], networks=SMALL, steps=1).run()
        assert seen.protocol == protocol


def test_mtt_refuses_a_set_without_a_learning_rate(data: Data, condensed: CondensedSet):
    with pytest.raises(ConfigError, match=r"no learning rate\. Use protocol dsa"):
        evaluate(condensed, data, protocol="mtt")


def test_other_selections_and_condensed_sets_are_baselines(data: Data, condensed: CondensedSet):
    own = replace(
        random_selection(data.train, ipc=3, seed=5),
        manifest={**random_selection(data.train, ipc=3, seed=5).manifest, "method": "mine"},
    )
    choices = {"sizes": [1, 3], "networks": SMALL, "steps": 2}

    evaluation = evaluate(condensed, data, **choices, seeds=2, baselines=("first", own, "random"))

    sets = [trial.set for trial in evaluation.planned]
    assert sets == ["condensed", "first", "random-toy", "random"] * 4
    firsts = {trial.fingerprint for trial in evaluation.planned if trial.set == "first"}
    randoms = {trial.fingerprint for trial in evaluation.planned if trial.set == "random"}
    assert (len(firsts), len(randoms)) == (2, 4)  # a random choice for every seed
    assert [o.set for o in evaluation.run()] == sets
    (record, _) = evaluation.summary()
    assert record["baselines"].keys() == {"first", "random-toy"}
    assert "random-toy" in evaluation.table()


def test_random_images_are_the_same_whatever_the_other_baselines_are(
    data: Data, condensed: CondensedSet
):
    choices = {"sizes": [2], "networks": SMALL, "seeds": 1, "steps": 2}

    (_, alone) = evaluate(condensed, data, **choices).run()
    both = evaluate(condensed, data, **choices, baselines=("first", "random")).run()

    assert same(alone, both[2])


def test_what_is_selected_by_features_is_what_select_gives(
    data: Data, condensed: CondensedSet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys.modules["condensery.selection.select"], "FEATURE_STEPS", 2)
    planned = evaluate(condensed, data, sizes=[2], seeds=1, seed=4, baselines="k-center").planned

    (trial,) = (trial for trial in planned if trial.set == "k-center")
    expected = select(data.train, by="k-center", ipc=2, seed=4)
    assert torch.equal(trial.images.images, expected.images)


def test_k_means_chooses_anew_for_every_size_and_other_rules_once(
    data: Data, condensed: CondensedSet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys.modules["condensery.selection.select"], "FEATURE_STEPS", 2)
    rules = ("k-means", "herding")
    planned = evaluate(condensed, data, sizes=[1, 2, 4], seeds=1, baselines=rules).planned

    chosen = {(trial.set, trial.size): trial.images.sizes for trial in planned}
    assert [chosen["k-means", size] for size in (1, 2, 4)] == [1, 2, 4]
    assert [chosen["herding", size] for size in (1, 2, 4)] == [4, 4, 4]
    (one,) = (t for t in planned if (t.set, t.size) == ("k-means", 2))
    assert torch.equal(one.images.images, select(data.train, by="k-means", ipc=2).images)


def test_what_cannot_be_a_baseline_is_refused(each, data: Data, condensed: CondensedSet, split):
    for baselines, error, words in each(
        [
            (("random", "k-meens"), ConfigError, "Did you mean 'k-means'"),
            (("random", "random"), ConfigError, "two sets called 'random'"),
            (("small",), ConfigError, "holds 2 images per class, but size 4"),
            (("strange",), DataError, "8 x 8|7 x 7"),
        ]
    ):
        sets = {
            "small": random_selection(data.train, ipc=2, seed=0),
            "strange": random_selection(split((5, 5, 5), 0, side=7), ipc=4, seed=0),
        }
        with pytest.raises(error, match=words):
            evaluate(condensed, data, baselines=[sets.get(word, word) for word in baselines])


def labelled(condensed: CondensedSet, learned: torch.Tensor) -> CondensedSet:
    each = condensed.manifest["bytes"][-1] // len(condensed.labels) + 4 * learned.shape[1]
    sizes = {"bytes": [rows * each for rows in condensed.rows]}
    return replace(condensed, soft_labels=learned, manifest={**condensed.manifest, **sizes})


def test_learned_labels_are_trained_on_where_asked(data: Data, condensed: CondensedSet):
    wrong = torch.nn.functional.one_hot((condensed.labels + 1) % 3, 3).float()
    learned = labelled(condensed, wrong)
    choices = {"sizes": [4], "networks": ("convnet1-w4",), "seeds": 1}
    training = SGDTraining(augment=Identity(), cutmix=0.0)
    fast = Protocol(name="fast", training=training, steps=60)

    hard = evaluate(learned, data, protocol=fast, **choices).run()
    soft = evaluate(learned, data, protocol=fast, labels="soft", **choices).run()

    assert [o.protocol for o in hard + soft] == ["fast", "fast", "fast-soft", "fast-soft"]
    assert hard[0].accuracy > 0.6
    assert soft[0].accuracy < 0.3  # it has learned the wrong classes
    assert soft[1].accuracy == hard[1].accuracy  # random images have their classes


def test_learned_labels_that_are_no_probabilities_are_refused(
    each, data: Data, condensed: CondensedSet
):
    for learned, words in each(
        [
            (None, "has learned no labels"),
            (torch.full((12, 3), 0.5), r"add up to 1.5\.\.1.5"),
            (torch.tensor([[-0.5, 0.5, 1.0]]).repeat(12, 1), "go down to -0.5"),
        ]
    ):
        set_ = condensed if learned is None else labelled(condensed, learned)
        with pytest.raises(ConfigError, match=words):
            evaluate(set_, data, labels="soft")


ARCHITECTURES = ("convnet3", "resnet10", "resnet18", "densenet", "mlp", "vgg11", "alexnet", "lenet")


def test_every_architecture_is_trained_and_tested(each, split):
    for network, side, channels in each(
        [
            *((network, 28, 1) for network in ARCHITECTURES),
            *(
                (network, 32, 3)
                for network in ("convnet3-bn", "vgg11", "vgg11-bn", "alexnet", "lenet")
            ),
        ]
    ):
        data = Data(
            name="toy",
            train=split((2, 2, 2), 0, side=side, channels=channels),
            test=split((1, 1, 1), 1, side=side, channels=channels),
        )
        condensed = random_selection(data.train, ipc=1, seed=0)

        observations = evaluate(condensed, data, networks=[network], seeds=1, steps=1).run()

        assert [(o.network, o.set) for o in observations] == [
            (network, "condensed"),
            (network, "random"),
        ]


def test_an_architecture_for_which_images_are_too_small_is_refused_before_any_training(
    data: Data, condensed: CondensedSet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Trial, "run", lambda *_, **__: pytest.fail("a network was trained"))

    with pytest.raises(ConfigError, match="vgg11 needs images of at least 28x28 pixels, got 8x8"):
        evaluate(condensed, data, networks=ARCHITECTURES)


def test_a_teacher_labels_what_a_network_is_trained_on(data: Data, condensed: CondensedSet):
    plain = protocol_for("idc", EvaluatedSet(data="toy"), steps=3)
    taught = replace(plain, name="taught", teacher=Teacher(network="convnet1-w4", steps=4))
    networks = {"sizes": [1], "networks": ["convnet1-w4"], "seeds": 1, "baselines": []}
    evaluation = evaluate(condensed, data, protocol=taught, **networks)
    (one,) = evaluation
    (again,) = evaluate(condensed, data, protocol=taught, **networks)
    assert one.accuracy == again.accuracy
    other = evaluate(condensed, data, protocol=plain, **networks)
    assert other.planned[0].fingerprint != evaluation.planned[0].fingerprint
    hot = replace(taught, teacher=replace(taught.teacher, temperature=20.0))
    (warm,) = evaluate(condensed, data, protocol=hot, **networks).planned
    assert warm.fingerprint != one.fingerprint
    labels = evaluation.planned[0].teacher(torch.zeros(2, *data.test.images.shape[1:]))
    assert labels.sum(dim=1).tolist() == pytest.approx([1, 1])
    with pytest.raises(ConfigError, match="convnet1-x"):
        evaluate(condensed, data, protocol=replace(plain, teacher=Teacher(network="convnet1-x")))


def test_every_loss_and_optimiser_trains_a_network(data: Data, condensed: CondensedSet):
    evaluated = EvaluatedSet(data="toy")
    for protocol in (
        protocol_for("adamw", evaluated, steps=2),
        replace(protocol_for("idc", evaluated, steps=2), loss="squared-error"),
    ):
        (seen,) = evaluate(
            condensed,
            data,
            protocol=protocol,
            sizes=[1],
            networks=["convnet1-w4"],
            seeds=1,
            baselines=[],
            precision="bf16",
        )
        assert 0 <= seen.accuracy <= 1


def test_images_that_were_read_by_another_scale_are_noticed(data: Data, condensed: CondensedSet):
    other = reordered(data, [0, 1, 2], data.train.class_names)
    images = replace(
        other.train, images=other.train.images.flip(0), labels=other.train.labels.flip(0)
    )
    ranged = replace(other, train=images, test=replace(other.test, value_range=(0.0, 4095.0)))
    with pytest.warns(
        DataWarning, match=r"the usual scale.*--value-range 0,4095.*same --value-range"
    ):
        evaluate(condensed, ranged, sizes=[1], seeds=1)
    record = {**condensed.manifest["data"], "value_range": [0.0, 4095.0]}
    same = replace(condensed, manifest={**condensed.manifest, "data": record})
    evaluate(same, ranged, sizes=[1], seeds=1)  # a warning would be an error here
