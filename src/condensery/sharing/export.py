"""Images of a condensed set in the layouts of other programs.

The file ``export.json`` in the same folder says where the images come from, how to normalise them,
and which folder has which label, so that ``condensery import --format folder`` can read an export
of any form. It also marks a folder as an export; ``--overwrite`` replaces only marked folders.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condensery.condensed.artifact import CondensedSet
from condensery.data import Data
from condensery.errors import ConfigError, DataWarning, nearest
from condensery.evaluation.evaluate import counted_as
from condensery.sharing.folder import check_folder, new_folder
from condensery.sharing.forms import FORMS
from condensery.sharing.pictures import check_channels, condensed_pictures, real_pictures

_MARK = "export.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export contains.

    Attributes:
        folder: The folder that was written.
        images: Number of condensed images.
        test_images: Number of real test images; 0 without ``data``.
        classes: Number of classes.
    """

    folder: Path
    images: int
    test_images: int
    classes: int


def check_export(out: str | Path, *, form: str = "folder", overwrite: bool = False) -> None:
    """Refuse an export that cannot be written, before anything is read.

    Raises:
        ConfigError: If the form is unknown or needs a package that is absent, or ``out`` contains
            something other than an export that may be replaced.
    """
    if form not in FORMS:
        known = ", ".join(FORMS)
        raise ConfigError(f"--to {form}: is unknown; known are {known}.{nearest(form, FORMS)}")
    FORMS[form].check()
    check_folder(Path(out), option="--out", mark=_MARK, what="an export", overwrite=overwrite)


def export(
    condensed: CondensedSet | str | Path,
    out: str | Path,
    *,
    form: str = "folder",
    ipc: int | None = None,
    data: Data | None = None,
    classes: Sequence[str] | None = None,
    stored: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write the images of a condensed set for other programs, rounded to bytes.

    Args:
        condensed: The set, or its file.
        out: The folder to make. It appears, or is replaced, when the export is complete.
        form: ``"folder"`` (``class/*.png``), ``"npz"``, ``"parquet"`` (for the package
            ``datasets``) or ``"webdataset"`` (tar files). All contain the rank of every image, and
            all but ``"folder"`` the learned labels if there are any.
        ipc: The size; ``None`` is the full size.
        data: The data of the set. With it, the export also contains the real test images: a
            folder has ``train/class/*.png`` and ``test/class/*.png``, and other forms have a
            second split.
        classes: Names of the classes of the set in the order of its labels, for a set that has
            only numbers; used with ``data``, whose classes are matched by name.
        stored: Whether to export stored images; otherwise the training images that are decoded from
            them, which may be more.
        overwrite: Whether an earlier export may be replaced.

    Returns:
        The folder, and the numbers of images in it.

    Raises:
        ConfigError: If the form cannot contain such images, the size is not in the set, or the
            folder cannot be written.
        ArtifactError: If the file cannot be read.
        DataError: If ``data`` does not fit the set.

    Example:
        ``export("condensed.safetensors", "folder", ipc=10, data=load_data("fashion-mini"))``
    """
    out = Path(out)
    check_export(out, form=form, overwrite=overwrite)
    origin = condensed.name if isinstance(condensed, CondensedSet) else Path(condensed).name
    if not isinstance(condensed, CondensedSet):
        condensed = CondensedSet.load(condensed)
    splits = [condensed_pictures(condensed, ipc=ipc, stored=stored)]
    if data is not None:
        splits.append(real_pictures(counted_as(condensed, data, classes=classes).test))
    kind = FORMS[form]
    if kind.png:
        check_channels(splits[0].images.shape[3], given=f"--to {form}")
    if not kind.learned and splits[0].soft_labels is not None:
        others = ", ".join(name for name, other in FORMS.items() if other.learned)
        warnings.warn(
            f"{condensed.name} has learned labels, which have no place in a folder of images: only "
            f"the classes are written. Export --to {others} (form=) to keep them.",
            DataWarning,
            stacklevel=2,
        )
    facts = {
        "from": origin,
        "name": condensed.name,
        "images_per_class": condensed.sizes if ipc is None else ipc,
        "stored": stored,
        "decode": dict(condensed.manifest["decode"]) if stored else {"kind": "pixels"},
        "class_names": list(condensed.class_names),
        "mean": list(condensed.mean),
        "std": list(condensed.std),
        "form": form,
    }
    with new_folder(out) as new:
        facts |= kind.write(splits, condensed.class_names, new)
        (new / _MARK).write_text(_as_json(facts), encoding="utf-8")
    return Exported(
        folder=out,
        images=len(splits[0]),
        test_images=sum(map(len, splits[1:])),
        classes=condensed.classes,
    )


def _as_json(facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError:  # class names of folders whose names are not UTF-8
        text = json.dumps(facts, indent=1) + "\n"
    return text
