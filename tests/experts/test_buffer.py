"""Experts: trained when missing, kept in memory or files, resumed exactly, refused elsewhere."""

from __future__ import annotations

import logging
import math
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, get_ident

import pytest
import torch
from safetensors import safe_open

from condensery.augment import Identity
from condensery.data import ImageData
from condensery.data.whitening import whitened
from condensery.engines.fused.blocks import EAGER
from condensery.errors import ArtifactError, ConfigError, NonFiniteLoss
from condensery.experts import Buffer, ExpertTraining, cached, files, get_buffer, loaded
from condensery.files import lock
from condensery.networks import build
from condensery.parallel import as_completed, workers
from condensery.rng import stream
from condensery.training import SGDTraining, Trainer, real_batches

TRAINING = SGDTraining(
    batch=8, lr=0.05, momentum=0.5, weight_decay=0.0, augment=Identity(), cutmix=0.0
)
TRAINED = ExpertTraining(network="convnet2-w4", training=TRAINING, seed=3)


@pytest.fixture(scope="module")
def data():
    rng = stream(0, "data")
    labels = torch.arange(2).repeat(10)
    images = torch.randint(0, 140, (20, 1, 8, 8), generator=rng) + 80 * labels[:, None, None, None]
    return ImageData(
        name="small",
        images=images.to(torch.uint8),
        labels=labels,
        class_names=("a", "b"),
        mean=(0.4,),
        std=(0.3,),
    )


def everything(experts, number, epochs):
    return experts.snapshots(number, *range(epochs + 1))


def same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert sorted(a) == sorted(b)
        assert all(torch.equal(a[name], b[name]) for name in a)


def made(experts, number=2, epochs=3):
    return list(experts.make(range(number), epochs))


@pytest.fixture
def whole(data, tmp_path):
    experts = Buffer(TRAINED, data, tmp_path / "whole")
    made(experts)
    return experts


def test_a_trajectory_is_plain_training_epoch_after_epoch(data):
    experts = Buffer(TRAINED, data, None)
    log = made(experts)
    assert [(m.index, m.epoch) for m in log] == [(i, e) for i in (0, 1) for e in (1, 2, 3)]
    network = build("convnet2-w4", channels=1, classes=2, side=(8, 8), seed=3, path=("expert", 1))
    (first,) = experts.snapshots(1, 0)
    assert all(torch.equal(p, first[name]) for name, p in network.named_parameters())
    for epoch in (1, 2):
        trainer, rng = Trainer(network, TRAINING), stream(3, "expert", 1, "epoch", epoch)
        losses = [
            trainer.step(*batch, rng=rng)
            for batch in real_batches(data, TRAINING, steps=3, rng=rng)
        ]
        assert log[2 + epoch].loss == pytest.approx(float(sum(losses)) / 3)
    (second,) = experts.snapshots(1, 2)
    assert all(torch.equal(p, second[name]) for name, p in network.named_parameters())


def test_an_epoch_may_be_a_number_of_steps(data):
    def moved(steps):
        experts = Buffer(replace(TRAINED, steps=steps), data, None)
        made(experts, 1, 1)
        return everything(experts, 0, 1)

    same(moved(3), moved(0))  # 20 images, batches of 8
    assert not torch.equal(moved(1)[1]["classifier.bias"], moved(3)[1]["classifier.bias"])


def test_the_learning_rate_falls_over_all_steps_of_a_trajectory(each, data):
    """Two epochs of six steps by hand: a fifth after 8 and after 10 steps, or half a cosine."""
    for decay, factors in each(
        [
            ("milestones", [1] * 8 + [0.2] * 2 + [0.04] * 2),
            ("cosine", [(1 + math.cos(math.pi * step / 12)) / 2 for step in range(12)]),
        ]
    ):
        training = replace(TRAINED, steps=6, epochs=2, decay=decay)
        experts = Buffer(training, data, None)
        made(experts, 1, 2)
        network = build(
            "convnet2-w4", channels=1, classes=2, side=(8, 8), seed=3, path=("expert", 0)
        )
        for epoch in (1, 2):
            trainer, rng = Trainer(network, TRAINING), stream(3, "expert", 0, "epoch", epoch)
            for step, batch in enumerate(real_batches(data, TRAINING, steps=6, rng=rng)):
                trainer.set_lr(TRAINING.lr * factors[6 * (epoch - 1) + step])
                trainer.step(*batch, rng=rng)
        (end,) = experts.snapshots(0, 2)
        for name, p in network.named_parameters():
            assert torch.allclose(p, end[name], atol=1e-6)
        with pytest.raises(ConfigError, match=r"end after 2 epochs.*schedule\.epochs = 3"):
            made(experts, 1, 3)


def test_a_length_that_decides_nothing_is_refused():
    with pytest.raises(ConfigError, match="epochs = 5, but the length belongs to experts only"):
        replace(TRAINED, epochs=5)


def test_memory_and_folder_hold_the_same_bits(data, whole):
    memory = Buffer(TRAINED, data, None)
    made(memory)
    for index in (0, 1):
        same(everything(whole, index, 3), everything(memory, index, 3))


def test_experts_differ_and_another_seed_gives_others(data, whole):
    one, two = (whole.snapshots(index, 0)[0] for index in (0, 1))
    assert not torch.equal(one["classifier.weight"], two["classifier.weight"])
    other = Buffer(replace(TRAINED, seed=4), data, None)
    made(other, 1, 0)
    assert not torch.equal(other.snapshots(0, 0)[0]["classifier.weight"], one["classifier.weight"])


def test_a_stopped_training_goes_on_with_what_is_missing(data, whole, tmp_path):
    folder = tmp_path / "stopped"
    training = Buffer(TRAINED, data, folder).make(range(2), 3)
    for _ in range(4):
        next(training)
    training.close()  # in the first epoch of the second expert
    rest = Buffer(TRAINED, data, folder)
    assert [rest.epochs(index) for index in (0, 1, 2)] == [3, 1, -1]
    assert rest.missing(2, 3) == 2
    assert [(m.index, m.epoch) for m in made(rest)] == [(1, 2), (1, 3)]
    names = sorted(str(path.relative_to(folder)) for path in folder.glob("expert-*/*"))
    first = [f"expert-0000/epoch-{epoch:04}.safetensors" for epoch in range(4)]
    assert names == first + [name.replace("expert-0000", "expert-0001") for name in first]
    for index in (0, 1):
        same(everything(rest, index, 3), everything(whole, index, 3))


def test_an_interruption_within_an_epoch_keeps_the_epochs_before(data, tmp_path, monkeypatch):
    after, calls = ExpertTraining.after, iter(range(10))

    def stopping(self, *given, **named):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return after(self, *given, **named)

    monkeypatch.setattr(ExpertTraining, "after", stopping)
    experts = Buffer(TRAINED, data, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        made(experts, 1, 3)
    assert experts.epochs(0) == 2
    assert [m.epoch for m in made(experts, 1, 3)] == [3]


def test_a_kill_costs_no_more_than_the_epoch_in_work(data, tmp_path):
    experts = Buffer(TRAINED, data, tmp_path)
    training = experts.make([0], 3)
    for epoch in (1, 2):
        next(training)
        assert experts.epochs(0) == epoch  # while the generator still hangs


def test_nothing_is_trained_twice_and_more_epochs_go_on(data, whole):
    assert made(whole) == []
    before = everything(whole, 0, 3)
    assert [(m.index, m.epoch) for m in made(whole, 1, 5)] == [(0, 4), (0, 5)]
    same(everything(whole, 0, 3), before)
    assert made(whole, 1, 4) == []


def test_a_file_says_what_it_is_of(whole):
    with safe_open(whole.folder / "expert-0000/epoch-0003.safetensors", framework="pt") as file:
        said = file.metadata()["condensery-expert"]
    for word in ("convnet2-w4", "small", "augment", "made_with", "torch", "losses", "cpu_seconds"):
        assert word in said


def test_experts_of_another_training_are_refused_naming_both(each, data, whole):
    for change, said in each(
        [
            ({"network": "convnet2-w5"}, "network is 'convnet2-w4' there and 'convnet2-w5' here"),
            ({"seed": 4}, "seed is 3 there and 4 here"),
            ({"steps": 7}, "steps is 0 there and 7 here"),
            ({"keep": "ends", "epochs": 3}, "keep is 'all' there and 'ends' here"),
            ({"decay": "cosine", "epochs": 3}, "decay is 'constant' there and 'cosine' here"),
            ({"compiled": True}, "compiled is False there and True here"),
            ({"precision": "bf16"}, "precision is 'fp32' there and 'bf16' here"),
            (
                {"training": replace(TRAINING, lr=0.01)},
                r"training\.lr is 0\.05 there and 0\.01 here",
            ),
        ]
    ):
        other = Buffer(replace(TRAINED, **change), data, whole.folder)
        for refused in (Buffer.missing, made):
            with pytest.raises(ArtifactError, match=said):
                refused(other, 1, 1)


def test_experts_of_other_data_or_another_whitening_are_refused_naming_both(data, whole):
    darker = replace(data, name="darker", images=data.images // 2)
    with pytest.raises(ArtifactError, match=r"data\.fingerprint.*'small' and 'darker'"):
        made(Buffer(TRAINED, darker, whole.folder), 1, 1)
    white = whitened(data, "zca")
    with pytest.raises(ArtifactError, match=r"whitening\.kind is None there and 'zca' here"):
        Buffer(TRAINED, white, whole.folder).epochs(0)
    renamed = Buffer(TRAINED, replace(data, name="other"), whole.folder)
    assert renamed.epochs(0) == 3


def test_whitened_experts_see_whitened_images(data):
    white = whitened(data, "zca")
    plain, other = (Buffer(TRAINED, d, None) for d in (data, white))
    for experts in (plain, other):
        made(experts, 1, 1)
    a, b = (experts.snapshots(0, 0, 1) for experts in (plain, other))
    assert torch.equal(a[0]["classifier.weight"], b[0]["classifier.weight"])
    assert not torch.equal(a[1]["classifier.weight"], b[1]["classifier.weight"])


def test_a_changed_bit_is_noticed_before_a_snapshot_is_used(data, whole):
    path = whole.folder / "expert-0000/epoch-0001.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"epoch-0001\.safetensors: is damaged.*Remove it"):
        Buffer(TRAINED, data, whole.folder).snapshots(0, 1)


def test_a_truncated_file_is_refused_by_name(each, data, whole):
    path = whole.folder / "expert-0001/epoch-0003.safetensors"
    content = path.read_bytes()
    for length in each([0, 5, 300, -10]):
        path.write_bytes(content[:length])
        with pytest.raises(ArtifactError, match=r"epoch-0003\.safetensors"):
            Buffer(TRAINED, data, whole.folder).epochs(1)


def test_a_foreign_file_is_refused(data, tmp_path):
    import safetensors.torch

    (tmp_path / "expert-0000").mkdir()
    safetensors.torch.save_file(
        {"x": torch.ones(2)}, tmp_path / "expert-0000/epoch-0000.safetensors"
    )
    with pytest.raises(ArtifactError, match="holds no expert's trajectory"):
        Buffer(TRAINED, data, tmp_path).epochs(0)


def test_a_file_of_another_format_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "FORMAT", 4)
    made(Buffer(TRAINED, data, tmp_path), 1, 0)
    monkeypatch.undo()
    with pytest.raises(ArtifactError, match="expert format 4, this library reads 3"):
        Buffer(TRAINED, data, tmp_path).epochs(0)


def test_runs_in_one_process_share_a_buffer_and_other_choices_do_not(data):
    one = get_buffer(TRAINED, data, None)
    assert get_buffer(TRAINED, replace(data), None) is one
    assert get_buffer(replace(TRAINED, seed=9), data, None) is not one
    assert get_buffer(TRAINED, data, None) is one
    for seed in (10, 11):
        get_buffer(replace(TRAINED, seed=seed), data, None)
    assert get_buffer(TRAINED, data, None) is not one  # only the last few are remembered


def test_too_much_for_the_memory_asks_for_a_folder(data, tmp_path):
    with pytest.raises(ConfigError, match=r"GB, too much.*schedule\.buffer=FOLDER"):
        Buffer(TRAINED, data, None).missing(10**6, 100)
    assert Buffer(TRAINED, data, tmp_path).missing(100, 100) == 10**4


@pytest.fixture
def swept(data, monkeypatch):
    """Buffers of experts that compiled sweeps train, here by the eager reference."""
    monkeypatch.setattr("condensery.engines.fused.sweep.compiled_blocks", lambda: EAGER)
    training = replace(TRAINED, compiled=True, precision="bf16")
    return lambda folder=None: Buffer(training, data, folder)


def test_compiled_experts_have_a_thread_each_and_the_same_bits_on_any_number(
    swept, threads, monkeypatch
):
    after, seen = ExpertTraining.after, set()

    def watched(self, *given, **named):
        seen.add((get_ident(), workers()))
        return after(self, *given, **named)

    monkeypatch.setattr(ExpertTraining, "after", watched)
    found = []
    for number in (1, 2):
        threads(number)
        experts = swept()
        log = made(experts, 3, 2)
        assert sorted((m.index, m.epoch) for m in log) == [(i, e) for i in range(3) for e in (1, 2)]
        found.append([everything(experts, index, 2) for index in range(3)])
    threads(2)
    drawn = swept()
    list(drawn.make([1], 2))
    same(everything(drawn, 1, 2), found[0][1])
    for one, other in zip(*found, strict=True):
        same(one, other)
    assert {cut for _, cut in seen} == {1}


def test_two_compiled_experts_are_trained_at_the_same_time(swept, threads, monkeypatch):
    threads(2)
    after, together = ExpertTraining.after, Barrier(2)

    def meeting(self, *given, **named):
        together.wait(timeout=10)
        return after(self, *given, **named)

    monkeypatch.setattr(ExpertTraining, "after", meeting)
    assert len(made(swept(), 2, 2)) == 4


def test_compiled_experts_that_are_stopped_keep_their_epochs_and_go_on(swept, threads, tmp_path):
    threads(2)
    whole, stopped = swept(tmp_path / "whole"), swept(tmp_path / "stopped")
    made(whole, 3, 3)
    training = stopped.make(range(3), 3)
    told = [next(training) for _ in range(3)]
    training.close()
    for index in range(3):
        of_it = [m.epoch for m in told if m.index == index]
        assert stopped.epochs(index) >= max(of_it, default=-1)
    made(stopped, 3, 3)
    for index in range(3):
        same(everything(stopped, index, 3), everything(whole, index, 3))


def test_an_epoch_that_is_no_longer_wanted_is_cancelled(data, threads):
    threads(2)
    training, over = replace(TRAINED, steps=3000), []

    def task(long):
        if long:
            training.after(data, training.first(data, 0), index=0, epoch=1)
            over.append(long)
        yield

    results = as_completed(task(long) for long in (False, True))
    next(results)
    results.close()
    assert not over


def test_other_experts_have_all_threads(data, threads, monkeypatch):
    threads(2)
    seen = set()
    after = ExpertTraining.after

    def watched(self, *given, **named):
        seen.add((get_ident(), workers()))
        return after(self, *given, **named)

    monkeypatch.setattr(ExpertTraining, "after", watched)
    made(Buffer(TRAINED, data, None), 2, 1)
    assert seen == {(get_ident(), 2)}


def test_a_diverging_expert_is_named(data):
    wild = replace(TRAINED, training=replace(TRAINING, lr=1e30))
    with pytest.raises(NonFiniteLoss, match=r"expert 0 is .* smaller schedule\.training\.lr"):
        made(Buffer(wild, data, None), 1, 3)


@pytest.mark.parametrize("name", ["steps", "seed"])
def test_a_number_that_cannot_work_is_refused(name):
    with pytest.raises(ConfigError, match=f"{name} = -1"):
        ExpertTraining(network="convnet3", **{name: -1})


def test_parameters_go_back_into_a_network(data, whole):
    network = build("convnet2-w4", channels=1, classes=2, side=(8, 8), seed=0, path=("other",))
    (parameters,) = whole.snapshots(0, 2)
    assert loaded(network, parameters) is network
    assert all(torch.equal(p, parameters[name]) for name, p in network.named_parameters())
    assert all(p.requires_grad for p in network.parameters())


def test_of_two_processes_that_want_an_expert_one_trains_it_and_the_other_waits(
    data, whole, tmp_path, monkeypatch, caplog
):
    folder = tmp_path / "shared"
    folder.mkdir()
    waiting = Buffer(TRAINED, data, folder)
    with (folder / ".expert-0000.lock").open("ab") as other, ThreadPoolExecutor() as threads:
        lock(other.fileno())  # as another process does
        with caplog.at_level(logging.INFO):
            found = threads.submit(made, waiting, 1, 3)
            while "waits for another process" not in caplog.text:
                time.sleep(0.01)
        monkeypatch.setattr(ExpertTraining, "after", lambda *_, **__: pytest.fail("trained"))
        shutil.copytree(whole.folder / "expert-0000", folder / "expert-0000")
        other.close()
        assert found.result(timeout=10) == []
    same(everything(waiting, 0, 3), everything(whole, 0, 3))


def test_cpu_seconds_of_the_wanted_epochs_are_counted_whoever_trained_them(data, whole):
    again = Buffer(TRAINED, data, whole.folder)
    assert again.cpu_seconds(2, 3) == pytest.approx(whole.cpu_seconds(2, 3)) != 0
    parts = [again.cpu_seconds(2, epochs) for epochs in (0, 1, 2, 3)]
    assert parts == sorted(set(parts))
    assert parts[0] == again.cpu_seconds(0, 3) == 0


def test_experts_in_the_cache_are_made_within_its_bound(data, own_cache, monkeypatch, caplog):
    def train(seed):
        training = replace(TRAINED, seed=seed)
        folder = cached(training, data)
        made(Buffer(training, data, folder), 1, 1)
        return folder

    first = train(1)
    assert first.parent == own_cache / "experts"
    assert first.name.startswith("small-convnet2-w4-")
    monkeypatch.setenv("CONDENSERY_CACHE_LIMIT", "1")
    second = train(2)
    assert not first.exists()
    assert second.exists()  # in use while there was room to be made
    assert str(first) in caplog.text


def test_where_the_ends_alone_are_kept_they_are_those_of_the_whole_way(data, tmp_path):
    ends = replace(TRAINED, keep="ends", epochs=3)
    whole = Buffer(TRAINED, data, None)
    made(whole, 1, 3)
    for folder in (tmp_path, None):
        experts = Buffer(ends, data, folder)
        training = experts.make([0], 3)
        next(training)
        training.close()
        assert experts.epochs(0) == 1
        made(experts, 1, 3)
        same(experts.snapshots(0, 0, 3), whole.snapshots(0, 0, 3))
        with pytest.raises(ValueError, match="after 2 epochs are not kept"):
            experts.snapshots(0, 2)
    kept = sorted(path.name for path in (tmp_path / "expert-0000").iterdir())
    assert kept == ["epoch-0000.safetensors", "epoch-0003.safetensors"]
