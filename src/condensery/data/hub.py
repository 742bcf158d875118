"""The download of a data set from the Hugging Face hub, if the user asks for it.

It is written once, as Parquet files in a folder with its name, where ``find`` then finds it. Needs
the extra ``hub`` (the package ``datasets``), which is imported only for a download.
"""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from pathlib import Path

from condensery.data.known import KnownSet
from condensery.errors import DataError

_SPLITS = ("train", "test")


def fetch(known: KnownSet, data_dir: Path) -> None:
    """Download a data set and write it atomically into ``data_dir/<name>``.

    Raises:
        DataError: If the set is not public on the hub, the extra is absent, the download fails, or
            the folder already exists.
    """
    if known.hub is None:
        raise DataError(
            f"{known.name} cannot be downloaded from the hub by name. It is published at "
            f"{known.archive}: fetch it by hand and give the folder with --data-dir (data_dir=)."
        )
    home = data_dir / known.name
    if home.exists():
        raise DataError(
            f"{home} exists, but does not hold all of {known.name}. Remove it to download anew."
        )
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        raise DataError(
            f"downloading {known.name} needs the package datasets, which is not installed. "
            "Install it with: pip install 'condensery[hub]'"
        ) from error
    repository, configuration = known.hub
    partial = data_dir / f".{known.name}.{os.getpid()}"
    try:
        partial.mkdir(parents=True)
        fetched = datasets.load_dataset(repository, configuration)
        for split in _SPLITS:
            fetched[split].to_parquet(str(partial / f"{split}-00000-of-00001.parquet"))
        partial.rename(home)
    except Exception as error:  # whatever the network, the hub or the disk makes of it
        raise DataError(
            f"{known.name} could not be downloaded from the hub ({repository}) into {home}: "
            f"{type(error).__name__}: {error}. Try again, or fetch it from {known.archive}."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
