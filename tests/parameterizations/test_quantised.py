"""Pixels on few levels take few bytes; other tensors than pixels are stored, learned and read."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from itertools import product

import pytest
import torch

import condensery
from condensery import CondensedSet, MultiFormation, Pixels, Quantised, condense, load_data
from condensery.condensing.loop import initial_state, run
from condensery.condensing.progress import State
from condensery.errors import ArtifactError, ConfigError
from condensery.types import Examples

SHORT = {"iterations": 2, "schedule.inner": 2, "schedule.steps": 1, "sampler.batch": 8}


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def rows(width=7):
    class_ = torch.tensor([0, 1, 0, 1])
    images = torch.rand(4, 2, 3, width, generator=torch.Generator().manual_seed(3))
    return Examples(images=images, labels=class_, class_=class_, rank=torch.tensor([0, 0, 1, 1]))


def test_what_is_read_is_what_is_matched_to_the_bit(each):
    for width, bits in each(product([1, 7, 8], [1, 2, 4])):
        part, stored = Quantised(bits=bits), rows(width)
        tensors = part.to_file(stored, dtype=torch.uint8)
        assert list(tensors) == ["packed"]
        assert tensors["packed"].shape == (4, 2, 3, -(-width * bits // 8))
        images, shared = part.from_file(tensors, shape=(2, 3, width))
        assert shared == {}
        assert torch.allclose(images, part.decode(stored).images, atol=1e-7)
        levels = 2**bits - 1
        assert torch.equal(
            part.pictures(tensors, shape=(2, 3, width)),
            ((stored.images * levels).round() * (255 / levels)).to(torch.uint8),
        )


def test_the_first_value_is_in_the_highest_bits():
    stored = rows(4).with_images(torch.tensor([1.0, 0.0, 5 / 15, 10 / 15]).expand(4, 2, 3, 4))
    packed = Quantised(bits=4).to_file(stored, dtype=torch.uint8)["packed"]
    assert packed[0, 0, 0].tolist() == [0xF0, 0x5A]


def test_the_gradient_passes_the_rounding():
    stored = rows()
    images = stored.images.clone().requires_grad_()
    decoded = Quantised(bits=2).decode(stored.with_images(images))
    (gradient,) = torch.autograd.grad(decoded.images.sum(), images)
    assert torch.equal(gradient, torch.ones_like(gradient))


def test_other_numbers_of_bits_are_refused():
    with pytest.raises(ConfigError, match=r"bits = 3.*Use one of these"):
        Quantised(bits=3)


def test_a_set_of_half_the_bytes_is_made_saved_cut_and_evaluated(each, digits, tmp_path_factory):
    for inner in each([Pixels(), MultiFormation(factor=2), MultiFormation(order="crop")]):
        tmp_path = tmp_path_factory.mktemp("case")
        made = {
            bits: condense(
                digits,
                method="dm",
                ipc=2,
                preset="smoke",
                parameterization=inner if bits == 8 else Quantised(bits=bits, inner=inner),
                settings={"iterations": 2},
            ).result()
            for bits in (8, 4)
        }
        small = made[4]
        small.save(tmp_path / "set.safetensors")
        read = CondensedSet.load(tmp_path / "set.safetensors")
        assert torch.equal(read.images, small.images)
        assert read.images.dtype == torch.uint8
        assert read.decode().images.unique().mul(15).frac().abs().max() < 1 or inner != Pixels()
        assert read.bytes_of(2) - 20 * 12 == (made[8].bytes_of(2) - 20 * 12) // 2
        assert read.parameterization == Quantised(bits=4, inner=inner)
        assert read.prefixes == (inner != MultiFormation(order="crop"))
        if read.prefixes:
            cut = read.take(1)
            assert torch.equal(cut.images, read.images[:10])
            assert torch.equal(cut.decode().images, read.decode(1).images)
        (seen,) = condensery.evaluate(
            read, digits, sizes=[1], networks=["convnet1-w4"], seeds=1, steps=2, baselines=[]
        )
        assert seen.images == 10 * inner.examples_each


def test_a_file_whose_tensors_its_decoding_cannot_read_is_refused(digits):
    whole = condensery.random_selection(digits.train, ipc=1, seed=0)
    decode = {"kind": "quantised", "bits": 4, "inner": {"kind": "pixels"}}
    with pytest.raises(ArtifactError, match=r"found images, which decode = .*cannot read"):
        replace(whole, manifest={**whole.manifest, "decode": decode})


def test_a_file_of_format_1_is_read_cut_and_written_again_as_it_was(digits, tmp_path):
    whole = condensery.random_selection(digits.train, ipc=2, seed=0)
    later = ("tensors", "shape", "examples_each")
    old = {key: value for key, value in whole.manifest.items() if key not in later}
    first = replace(whole, manifest={**old, "format": 1})
    first.save(tmp_path / "one.safetensors")
    read = CondensedSet.load(tmp_path / "one.safetensors")
    assert read.manifest["format"] == 1
    assert read.shape == (1, 8, 8)
    assert read.take(1).shape == (1, 8, 8)
    assert torch.equal(read.decode().images, whole.decode().images)
    assert read.to_bytes() == first.to_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases(condensery.Parameterization):
    """Images are mixtures of bases that all of them share; a row stores its weights."""

    count: int = 4

    @property
    def examples_each(self):
        return 1

    def pack(self, images):
        return images

    def begin(self, stored, *, rng):
        chosen = torch.randperm(len(stored), generator=rng)[: self.count]
        weights = torch.randn(len(stored), self.count, generator=rng).softmax(dim=1)
        return replace(stored, images=weights, shared={"bases": stored.images[chosen].clone()})

    def project(self, stored):
        return replace(stored, shared={"bases": stored.shared["bases"].clamp(0, 1)})

    def decode(self, stored):
        mixed = torch.einsum("rb,bchw->rchw", stored.images, stored.shared["bases"])
        return replace(stored, images=mixed, shared={})

    def pixel_rank(self, stored):
        return stored.rank[:, None].expand_as(stored.images)

    def to_file(self, stored, *, dtype):
        return {"weights": stored.images.half(), "bases": stored.shared["bases"].half()}

    def from_file(self, tensors, *, shape):
        return tensors["weights"].float(), {"bases": tensors["bases"].float()}

    def pictures(self, tensors, *, shape):
        weights, bases = tensors["weights"].float(), tensors["bases"].float()
        return torch.einsum("rb,bchw->rchw", weights, bases).clamp(0, 1)


def recipe_of(digits, **changes):
    recipe = condensery.recipe_for("mdc", digits.train, ipc=3, preset="smoke")
    for key, value in {**SHORT, "size_policy.period": 1}.items():
        recipe = condensery.parts.changed(recipe, key, value)
    return replace(recipe, parameterization=Bases(), iterations=3, **changes)


def test_what_all_rows_share_is_learned_with_them_and_goes_on_to_the_bit(digits):
    recipe = recipe_of(digits)
    begun = initial_state(recipe, digits.train, seed=1)
    assert begun.stored.images.shape == (30, 4)
    whole = list(run(recipe, digits.train, seed=1))
    last, half = whole[-1].state, next(p.state for p in whole if p.boundary)
    assert not torch.equal(last.stored.shared["bases"], begun.stored.shared["bases"])
    assert not torch.equal(last.stored.images, begun.stored.images)
    state = State.from_tensors(half.outer, half.tensors())
    again = list(run(recipe, digits.train, seed=1, state=state))[-1].state
    for name, tensor in last.tensors().items():
        assert torch.equal(again.tensors()[name].nan_to_num(7), tensor.nan_to_num(7)), name


def test_what_all_rows_share_rests_while_any_row_is_frozen(digits):
    @dataclass(frozen=True)
    class First(condensery.SizePolicy):
        def sets(self, state, *, outer, rng):
            return condensery.AllSizes().sets(state, outer=outer, rng=rng)

        def frozen(self, state, *, outer):
            return torch.ones_like(state["counts"]) * (outer > 0)

    whole = list(run(recipe_of(digits, size_policy=First()), digits.train, seed=1))
    states = [p.state for p in whole if p.boundary]
    bases = [state.stored.shared["bases"].clamp(0, 1) for state in states]
    assert torch.equal(bases[1], bases[0])
    rank = states[0].stored.rank
    weights = [state.stored.images for state in states]
    assert torch.equal(weights[1][rank == 0], weights[0][rank == 0])
    assert not torch.equal(weights[1][rank > 0], weights[0][rank > 0])


def test_other_tensors_are_saved_read_and_cut(digits, tmp_path, monkeypatch):
    made = condense(digits, recipe=recipe_of(digits)).result()
    assert made.manifest["tensors"] == {"weights": "rows", "bases": "shared"}
    made.save(tmp_path / "set.safetensors")
    read = CondensedSet.load(tmp_path / "set.safetensors")
    assert torch.equal(read.decode(2).images, made.decode(2).images)
    cut = read.take(1)
    assert torch.equal(cut.decode().images, read.decode(1).images)
    assert cut.bytes_of(1) == 10 * (4 * 2 + 12) + 4 * 64 * 2
    assert read.images.shape == (30, 1, 8, 8)
    monkeypatch.delitem(sys.modules, __name__)
    with pytest.raises(ArtifactError, match=r"import that package first.*never imported"):
        CondensedSet.load(tmp_path / "set.safetensors")
