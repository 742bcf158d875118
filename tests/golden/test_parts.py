"""Multi-formation, the image step and the choice of subsets, against the released codes."""

from __future__ import annotations

import torch

from condensery.condensing.sizes import MostLearnable
from condensery.condensing.updates import sgd_for_all_classes
from condensery.parameterizations import decode_crops, encode_mix

CASES = ["32x2", "32x3", "28x2", "28x3"]


def test_mix_packs_images_as_released(each, golden):
    for case in each(CASES):
        vectors = golden("multi_formation")
        factor = vectors.meta["cases"][case]["factor"]
        images = vectors[f"in.{case}.images_u8"].double() / 255
        ours = encode_mix(images, factor=factor)
        assert (ours - vectors[f"out.{case}.stored"]).abs().max() < 1e-15


def test_crops_are_cut_and_enlarged_as_released(each, golden):
    for case in each(CASES):
        vectors = golden("multi_formation")
        factor = vectors.meta["cases"][case]["factor"]
        ours = decode_crops(vectors[f"in.{case}.stored_dense"], factor=factor)
        crop_major = ours.transpose(0, 1).flatten(0, 1)
        assert (crop_major - vectors[f"out.{case}.decoded"]).abs().max() < 1e-12


def test_one_joint_step_follows_the_released_step_per_class(golden):
    vectors = golden("image_sgd")
    images = vectors["in.start"]  # [class, image, ...]
    gradients = vectors["in.grads"]  # [sweep, class, image, ...]
    classes = images.shape[0]
    update = sgd_for_all_classes(
        lr=float(vectors["in.lr"]), momentum=float(vectors["in.momentum"]), classes=classes
    )
    state = update.init(images)
    frozen = torch.zeros(1, dtype=torch.bool)
    for sweep, gradient in enumerate(gradients[:-1]):
        images, state = update.step(images, gradient, state, frozen=frozen)
        for c in range(classes):
            # A class is visited again in step c of the next sweep; until the step before it has
            # moved as often as there are classes. That is where its next gradient is taken.
            visited = (
                vectors["out.after_sweep"][sweep]
                if c == 0
                else vectors["out.after_class_step"][sweep + 1, c - 1]
            )
            assert (images[c] - visited[c]).abs().max() < 1e-13


def test_sizes_are_chosen_and_frozen_as_released(each, golden):
    for case in each(["seq_a", "seq_b", "seq_c", "rand_0", "rand_1", "class_wise", "rounding"]):
        vectors = golden("mdc_selection")
        facts = vectors.meta["cases"][case]
        raw = vectors[f"in.{case}.raw"]  # [selection, class, inner, size]
        # Where candidates tie after rounding, the released choice is float32 noise; the first is 1.
        tied = (vectors[f"out.{case}.n_tied"][1:] > 1).any(dim=1).nonzero()
        last = 1 + int(tied[0, 0]) if len(tied) else len(raw)
        policy = MostLearnable(
            period=facts["period"], classwise=facts["class_wise"], freeze="released", decimals=2
        )
        counts = torch.full((raw.shape[1],), facts["N"])
        state = policy.init(counts)
        selection = 0
        generator = torch.Generator()
        for outer, active in enumerate(vectors[f"out.{case}.active_n"]):
            sizes = policy.sets(state, outer=outer, rng=generator).images
            chosen = sizes[1] if len(sizes) > 1 else torch.zeros_like(counts)
            assert chosen.tolist() == active.expand_as(counts).tolist(), outer
            frozen = vectors[f"out.{case}.frozen_n"][outer].clamp(min=0).expand_as(counts)
            assert policy.frozen(state, outer=outer).tolist() == frozen.tolist(), outer
            if policy.measures(outer):
                if selection == last:
                    break
                assert outer == int(vectors[f"out.{case}.after_iteration"][selection])
                for inner in range(raw.shape[2]):
                    distances = torch.cat(
                        [raw[selection, :, inner], torch.zeros(len(counts), 1)], dim=1
                    )
                    state = policy.observe(state, distances)
                selection += 1
            state = policy.close(state, outer=outer)
        assert selection == last
