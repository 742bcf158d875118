"""``condensery inspect``: describe the content of a condensed file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument("--json", action="store_true", help="the whole manifest, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the manifest and the tensors."""
    from condensery.condensed.artifact import CondensedSet
    from condensery.condensed.hub import located
    from condensery.runs.description import describe

    file = located(arguments.file)
    condensed = CondensedSet.load(file)
    if not arguments.json:
        print(describe(condensed, file=file))
        return 0
    images = condensed.images
    facts = {
        "file_bytes": file.stat().st_size,
        "images": {
            "shape": list(images.shape),
            "dtype": str(images.dtype).removeprefix("torch."),
        },
    }
    print(json.dumps({**condensed.manifest, **facts}, indent=1, ensure_ascii=False))
    return 0
