"""How a batch is cut into chunks."""

from __future__ import annotations

import torch

from condensery.engines.fused.batches import default_batch_size, split


def test_chunks_are_even_and_there_is_one_for_every_thread(each, threads):
    for counts, batch, count, expected in each(
        [
            ([20, 20], 64, 1, [[(0, 0, 20), (1, 20, 40)]]),
            ([20, 20], 64, 2, [[(0, 0, 20)], [(1, 0, 20)]]),
            ([4, 36], 64, 2, [[(0, 0, 4), (1, 4, 20)], [(1, 0, 20)]]),
            ([100], 64, 1, [[(0, 0, 50)], [(0, 0, 50)]]),
            ([2], 64, 4, [[(0, 0, 1)], [(0, 0, 1)]]),
            ([3, 0, 2], 2, 1, [[(0, 0, 1)], [(0, 0, 2)], [(2, 0, 2)]]),
        ]
    ):
        threads(count)
        chunks = split(counts, batch, like=torch.empty(0))
        assert [[(p.cell, p.start, p.stop) for p in pieces] for pieces in chunks] == expected


def test_the_default_batch_is_smaller_for_large_images_and_larger_for_many_threads(each, threads):
    for precision, side, count, expected in each(
        [
            ("bf16", 32, 2, 64),
            ("fp32", 32, 2, 32),
            ("bf16", 8, 2, 64),
            ("bf16", 28, 6, 96),
            ("bf16", 64, 2, 16),
            ("bf16", 512, 4, 8),
        ]
    ):
        threads(count)
        assert default_batch_size(precision, torch.empty(1, 3, side, side)) == expected
