r"""MDC's subset adds 1 % to IDC's matching on two threads (n = 50), 4 to 10 % on one (n = 12, 8).

Medians of the ratios of interleaved pairs; the setting of bench.py, without the reference, so that
there are enough pairs. 2-core x86 with AVX512 and AMX, torch 2.13.0+cpu, 2026-11-22, the last line
a day later:

    threads   IDC            MDC            of pairs   of minima
    2         1.51 (1.10) s  1.60 (1.14) s  +0.7 %     +3.2 %
    1         1.95 (1.78) s  2.00 (1.91) s  +3.6 %     +6.9 %
    1         1.69 (1.64) s  1.89 (1.78) s  +9.7 %     +8.6 %

Seconds are medians and, in parentheses, minima. On two threads IDC's 40 images of a class are cut
in two anyway, and MDC's subset is one of the halves.

    python benchmarks/subset.py --threads 2 --rounds 50
"""

from __future__ import annotations

import argparse
from statistics import median

import torch
from steps import OURS, FixedSizes, Run, images, interleaved, mdc


def main() -> None:
    """Time matching steps of one size and of two, in turns."""
    parser = argparse.ArgumentParser(description="What MDC's subset adds to a matching step.")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = images()
    runs = {
        name: Run(mdc(data, steps=0, size_policy=FixedSizes(sizes=sizes), **OURS), data=data)
        for name, sizes in (("IDC", (10,)), ("MDC", (10, 5)))
    }
    took = interleaved(runs, rounds=options.rounds)
    for name, seconds in took.items():
        print(f"{name}: median {median(seconds):.3f} s, least {min(seconds):.3f} s")
    pairs = median(b / a for a, b in zip(took["IDC"], took["MDC"], strict=True)) - 1
    least = min(took["MDC"]) / min(took["IDC"]) - 1
    print(f"added: {pairs:+.1%} (median of pairs), {least:+.1%} (of minima); n = {options.rounds}")


if __name__ == "__main__":
    main()
