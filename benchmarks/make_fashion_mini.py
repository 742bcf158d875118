"""Write ``fashion_mini.npz``, the part of Fashion-MNIST that travels with the package.

    python benchmarks/make_fashion_mini.py FOLDER

FOLDER holds the four IDX files of Fashion-MNIST. The file is the same byte by byte each time.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
import torch

import condensery

OUT = Path(condensery.__file__).parent / "data" / "readers" / "fashion_mini.npz"


def main() -> None:
    """Take the first images of each class of both splits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder")
    data = condensery.load_data(parser.parse_args().folder, name="fashion-mnist")
    arrays = {}
    for name, split, count in (("train", data.train, 500), ("test", data.test, 100)):
        rows = torch.cat([split.of_class(class_)[:count] for class_ in range(split.classes)])
        rows = rows.sort().values
        arrays[f"{name}_images"] = split.images[rows][:, 0].numpy()
        arrays[f"{name}_labels"] = split.labels[rows].to(torch.uint8).numpy()
    with zipfile.ZipFile(OUT, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # its time is 1980, so that bytes are the same
            entry.compress_type = zipfile.ZIP_DEFLATED
            buffer = io.BytesIO()
            np.save(buffer, array)
            file.writestr(entry, buffer.getvalue())
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
