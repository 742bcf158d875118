"""Files of the true format, written and read back: pixels, classes, ranks and the record."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import one_hot

from condensery.condensed.artifact import CondensedSet
from condensery.condensed.importing import FORMATS, import_set
from condensery.data import whitened
from condensery.errors import ConfigError, DataError, DataWarning
from condensery.evaluation import protocol_for
from condensery.evaluation.evaluate import evaluated_set
from condensery.evaluation.protocol import has_soft_labels

MEAN = torch.tensor((0.4914, 0.4822, 0.4465))[:, None, None]
STD = torch.tensor((0.2023, 0.1994, 0.2010))[:, None, None]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def imported(condensed: CondensedSet) -> dict:
    return condensed.manifest["recipe"]["imported"]


def bytes_of(condensed: CondensedSet, *, class_: int, rank: int) -> torch.Tensor:
    row = (condensed.labels == class_) & (condensed.rank == rank)
    return condensed.images[row][0]


def check_pixels(condensed: CondensedSet, images: torch.Tensor, *, ipc: int) -> None:
    """Image ``rank`` of a class is the one at that place among its images in the file."""
    for class_ in range(condensed.classes):
        for rank in range(ipc):
            expected = (images[class_ * ipc + rank].clamp(0, 1) * 255).round().byte()
            assert torch.equal(bytes_of(condensed, class_=class_, rank=rank), expected)


@pytest.fixture
def of_dc(tmp_path, cifar10, drawn):
    """What DC, DSA and DM write: three experiments in normalised space, and their accuracies."""
    path = tmp_path / "res_DC_CIFAR10_ConvNet_2ipc.pt"
    images, labels = drawn(cifar10, ipc=2)
    data = [[(images.roll(n, 0) - MEAN) / STD, labels] for n in range(3)]
    accuracies = {"ConvNet": [np.float64(0.28), np.float64(0.29)]}
    torch.save({"data": data, "accs_all_exps": accuracies}, path)
    return path


def test_a_file_of_dc_gives_its_pixels_back(each, of_dc, cifar10, drawn):
    for experiment, method in each(product([None, 0, 2], ["dc", "dsa", "dm"])):
        condensed = import_set(
            of_dc, format=method, data=cifar10, experiment=experiment, created="now"
        )
        images, _ = drawn(cifar10, ipc=2)
        check_pixels(condensed, images.roll(experiment or 0, 0), ipc=2)
        assert condensed.method == method
        assert condensed.name == f"cifar10-{method}-ipc2"
        assert condensed.mean == cifar10.train.mean
        assert condensed.manifest["created"] == "now"
        assert condensed.manifest["zca"] is None
        assert condensed.manifest["decode"] == {"kind": "pixels"}
        assert condensed.manifest["data"]["fingerprint"] == cifar10.train.fingerprint
        assert imported(condensed) == {
            "format": method,
            "file": of_dc.name,
            "sha256": sha256(of_dc),
            "experiment": experiment or 0,
            "experiments": 3,
            "normalisation": {
                "kind": "normalised",
                "mean": [0.4914, 0.4822, 0.4465],
                "std": [0.2023, 0.1994, 0.2010],
                "source": f"constants of {method} for cifar10",
            },
            "clamped": 0.0,
            "largest_excess": 0.0,
            "labels": "hard",
            "classes": {
                "by": f"the order in which {method} numbers the classes of cifar10",
                "labels": [*range(10)],
                "names": list(cifar10.train.class_names),
            },
            "rows": 20,
        }


def test_rows_are_sorted_by_rank_then_class_and_sizes_are_cuts(of_dc, cifar10, drawn, tmp_path):
    condensed = import_set(of_dc, format="dc", data=cifar10)
    assert condensed.rank.tolist() == [0] * 10 + [1] * 10
    assert condensed.labels.tolist() == [*range(10)] * 2
    one = import_set(of_dc, format="dc", data=cifar10, ipc=1)
    assert torch.equal(one.images, condensed.take(1).images)
    assert one.sizes == 1
    condensed.save(tmp_path / "set.safetensors")
    again = CondensedSet.load(tmp_path / "set.safetensors")
    assert again.manifest == condensed.manifest
    assert torch.equal(again.images, condensed.images)


def test_a_file_of_an_old_torch_is_read(of_dc, cifar10, drawn):
    content = torch.load(of_dc, weights_only=False)
    torch.save(content, of_dc, _use_new_zipfile_serialization=False)
    condensed = import_set(of_dc, format="dc", data=cifar10)
    check_pixels(condensed, drawn(cifar10, ipc=2)[0], ipc=2)


def test_an_experiment_that_is_not_there_is_refused(of_dc, cifar10):
    with pytest.raises(ConfigError, match=r"holds 3 experiments. Give one of 0\.\.2"):
        import_set(of_dc, format="dc", data=cifar10, experiment=3)


def test_what_strays_is_clamped_and_counted(each, tmp_path_factory, cifar10, drawn):
    for dtype in each(["uint8", "float16", "float32"]):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tmp_path / "res.pt"
        images, labels = drawn(cifar10, ipc=1)
        images[3, 1, 2] = torch.tensor([-0.5, 1.25, -0.1, 1.1, 0.5, 1])
        torch.save({"data": [[(images - MEAN) / STD, labels]]}, path)
        condensed = import_set(path, format="dm", data=cifar10, dtype=dtype)
        assert imported(condensed)["clamped"] == pytest.approx(4 / 720)
        assert imported(condensed)["largest_excess"] == pytest.approx(0.5, abs=1e-6)
        assert condensed.images.dtype == getattr(torch, dtype)
        tolerance = {"uint8": 0, "float16": 1e-3, "float32": 1e-6}[dtype]
        stored = condensed.images.float() / (255 if dtype == "uint8" else 1)
        expected = images.clamp(0, 1)
        if dtype == "uint8":
            expected = (expected * 255).round() / 255
        torch.testing.assert_close(stored, expected, atol=tolerance, rtol=0)


@pytest.fixture
def of_mtt(tmp_path, cifar10, drawn):
    """What MTT writes: images that require a gradient, and labels, in files of their own."""
    images, labels = drawn(cifar10, ipc=2)
    torch.save(((images - MEAN) / STD).requires_grad_(), tmp_path / "images_best.pt")
    torch.save(labels, tmp_path / "labels_best.pt")
    return tmp_path / "images_best.pt"


def test_files_of_mtt_belong_together_by_name(of_mtt, cifar10, drawn):
    condensed = import_set(of_mtt, format="mtt", data=cifar10, zca=False)
    check_pixels(condensed, drawn(cifar10, ipc=2)[0], ipc=2)
    assert condensed.manifest["learned_lr"] is None
    record = imported(condensed)
    assert record["sha256"] == sha256(of_mtt)
    assert record["labels_file"] == "labels_best.pt"
    assert record["labels_sha256"] == sha256(of_mtt.with_name("labels_best.pt"))


def test_the_labels_of_mtt_may_lie_elsewhere(of_mtt, cifar10):
    beside, other = of_mtt.with_name("labels_best.pt"), of_mtt.with_name("y.pt")
    beside.rename(other)
    with pytest.raises(DataError, match=r"looked for 'labels_best\.pt' beside it\).*--labels"):
        import_set(of_mtt, format="mtt", data=cifar10, zca=False)
    condensed = import_set(of_mtt, format="mtt", data=cifar10, zca=False, labels=other)
    assert imported(condensed)["labels_file"] == "y.pt"


@pytest.mark.parametrize(("method", "kind"), [("mtt", "zca"), ("kip", "zca-regularised")])
def test_a_whitened_set_is_evaluated_on_the_very_images_of_its_file(
    tmp_path, cifar10, method, kind
):
    """Real images, whitened: undone, stored and whitened again they are what the file holds."""
    train = cifar10.train
    levels = train.images.double() / 255
    mean, std = (0, 0, 0), (1, 1, 1)
    if method == "kip":  # standardised by what it measures, not by the constants of CIFAR-10
        mean = tuple(levels.mean(dim=(0, 2, 3)).tolist())
        std = tuple(levels.std(dim=(0, 2, 3), unbiased=False).tolist())
    chosen = torch.cat([train.of_class(c)[:1] for c in range(10)])
    held = whitened(replace(train, mean=mean, std=std), kind).normalise(levels)[chosen].float()
    if method == "mtt":
        path = tmp_path / "images_best.pt"
        torch.save(held, path)
        torch.save(train.labels[chosen], tmp_path / "labels_best.pt")
    else:
        path = tmp_path / "x.npz"
        np.savez(path, images=held.numpy(), labels=train.labels[chosen].numpy())
    found = import_set(path, format=method, data=cifar10, zca=True, dtype="float32")
    assert found.manifest["zca"] == {"kind": kind, "eps": 0.1, "fitted_to": train.fingerprint}
    again = whitened(replace(train, mean=found.mean, std=found.std), kind)
    inside = torch.ones(10, dtype=torch.bool)
    if method == "kip":  # the average contrast is too much for some images: these are clamped
        inside = ((found.images > 0) & (found.images < 1)).flatten(1).all(dim=1)
        assert inside.any()
    torch.testing.assert_close(
        again.normalise(found.images)[inside], held[inside], atol=1e-4, rtol=0
    )


@pytest.fixture
def of_datm(tmp_path, cifar10):
    """What DATM and PAD write: whitened images, logits that require a gradient, a learning rate."""
    train = cifar10.train
    chosen = torch.cat([train.of_class(c)[:2] for c in range(10)])
    plain = whitened(replace(train, mean=(0, 0, 0), std=(1, 1, 1)), "zca")
    images = plain.normalise(train.images[chosen].double() / 255).float()
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 10, generator=draw) + 5 * one_hot(train.labels[chosen], 10)
    torch.save(images, tmp_path / "images_best.pt")
    torch.save(logits.requires_grad_(), tmp_path / "labels_best.pt")
    torch.save(torch.tensor(0.04), tmp_path / "lr_best.pt")
    return SimpleNamespace(
        path=tmp_path / "images_best.pt", images=train.images[chosen], logits=logits.detach()
    )


def test_logits_of_datm_and_pad_become_learned_labels_with_their_own_protocol(
    each, of_datm, cifar10
):
    for format in each(["datm", "pad"]):
        with pytest.warns(DataWarning, match=rf"configurations of {format.upper()} for cifar10"):
            condensed = import_set(of_datm.path, format=format, data=cifar10)
        check_pixels(condensed, of_datm.images / 255, ipc=2)
        first = (condensed.labels == 3) & (condensed.rank == 1)
        torch.testing.assert_close(condensed.soft_labels[first][0], of_datm.logits[7].softmax(0))
        assert condensed.manifest["zca"]["kind"] == "zca"
        assert condensed.manifest["learned_lr"] == pytest.approx(0.04)
        assert imported(condensed)["labels"] == "learned"
        assert imported(condensed)["learned_labels"] == "logits"
        assert "--no-zca" in imported(condensed)["notices"][0]
        protocol = protocol_for(None, evaluated_set(condensed, data="cifar10"))
        assert (protocol.name, protocol.labels, protocol.training.batch) == ("datm", "soft", 128)
        assert protocol.training.lr == pytest.approx(0.04)
        assert has_soft_labels(protocol.name)


def test_a_set_of_datm_that_was_only_normalised_says_so(of_datm, cifar10):
    torch.save((of_datm.images / 255 - MEAN) / STD, of_datm.path)
    condensed = import_set(of_datm.path, format="datm", data=cifar10, zca=False)
    check_pixels(condensed, of_datm.images / 255, ipc=2)
    assert condensed.manifest["zca"] is None
    assert "notices" not in imported(condensed)


def test_of_data_that_no_configuration_whitens_datm_must_say_whether_it_did(of_datm, dataset):
    with pytest.raises(DataError, match="datm stores images either normalised or ZCA-whitened"):
        import_set(of_datm.path, format="datm", data=dataset(name="own"))


def test_logits_in_a_file_of_mtt_are_refused_with_the_format_that_reads_them(of_datm, cifar10):
    with pytest.raises(DataError, match="as DATM and PAD write them, give --format datm or pad"):
        import_set(of_datm.path, format="mtt", data=cifar10, zca=True)


def test_the_learned_lr_lies_beside(each, of_mtt, cifar10):
    for value, name in each(
        product(
            [0.0213, torch.tensor(0.0213), torch.tensor([0.0213])], ["lr_best.pt", "syn_lr_best.pt"]
        )
    ):
        torch.save(value, of_mtt.with_name(name))
        condensed = import_set(of_mtt, format="mtt", data=cifar10, zca=False)
        assert condensed.manifest["learned_lr"] == pytest.approx(0.0213)
        assert imported(condensed)["learned_lr_file"] == name
        of_mtt.with_name(name).unlink()


def test_the_learned_lr_may_be_given(of_mtt, cifar10):
    condensed = import_set(of_mtt, format="mtt", data=cifar10, zca=False, learned_lr=0.03)
    assert condensed.manifest["learned_lr"] == 0.03


def test_a_learning_rate_that_is_no_number_is_refused(each, of_mtt, cifar10):
    for value in each([float("nan"), "x", torch.zeros(2), None, True]):
        torch.save(value, of_mtt.with_name("lr_best.pt"))
        with pytest.raises(DataError, match="one finite number, the learned learning rate"):
            import_set(of_mtt, format="mtt", data=cifar10, zca=False)


def test_what_mtt_has_unwhitened_itself_takes_the_labels_of_its_iteration(tmp_path, cifar10, drawn):
    images, labels = drawn(cifar10, ipc=1)
    torch.save(images, tmp_path / "images_zca_5000.pt")
    torch.save(labels, tmp_path / "labels_5000.pt")
    path = tmp_path / "images_zca_5000.pt"
    condensed = import_set(path, format="mtt", data=cifar10, mean=[0], std=[1])
    check_pixels(condensed, images, ipc=1)


def test_learned_labels_are_kept(of_mtt, cifar10):
    soft = torch.full((20, 10), 0.05)
    soft[torch.arange(20), torch.arange(10).repeat_interleave(2)] = 0.55
    soft[0, 9], soft[0, 0] = 0.1, 0.5
    torch.save(soft, of_mtt.with_name("labels_best.pt"))
    condensed = import_set(of_mtt, format="mtt", data=cifar10, zca=False)
    assert imported(condensed)["labels"] == "learned"
    assert condensed.soft_labels is not None
    assert torch.equal(condensed.soft_labels[0], soft[0])
    assert torch.equal(condensed.soft_labels, soft[[*range(0, 20, 2), *range(1, 20, 2)]])
    assert condensed.labels.tolist() == [*range(10)] * 2


def pair(path: Path, images: torch.Tensor, labels: torch.Tensor) -> Path:
    torch.save([images, labels], path)
    return path


def test_files_of_idc_hold_grids_of_pixels(each, tmp_path_factory, cifar10, drawn):
    for method, factor, order, decode in each(
        [
            ("idc", 1, None, {"kind": "pixels"}),
            ("idc", 2, None, {"kind": "multi-formation", "factor": 2, "order": "image"}),
            ("dream", 2, None, {"kind": "multi-formation", "factor": 2, "order": "image"}),
            ("mdc", 2, None, {"kind": "multi-formation", "factor": 2, "order": "crop"}),
            ("mdc", 1, None, {"kind": "pixels"}),
            ("mdc", 2, "image", {"kind": "multi-formation", "factor": 2, "order": "image"}),
            ("idc", 3, "crop", {"kind": "multi-formation", "factor": 3, "order": "crop"}),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        images, labels = drawn(cifar10, ipc=2)
        images[0, 0, 0, 0] = 1.01  # released sets stray a little
        path = pair(tmp_path / "data.pt", images, labels)
        condensed = import_set(path, format=method, data=cifar10, factor=factor, order=order)
        check_pixels(condensed, images, ipc=2)
        assert condensed.manifest["decode"] == decode
        assert imported(condensed)["normalisation"] == {"kind": "none"}
        assert imported(condensed)["clamped"] == pytest.approx(1 / 1440)
        assert len(condensed.decode()) == 20 * factor**2


def test_the_factor_must_be_said(each, tmp_path_factory, cifar10, drawn):
    for method in each(["idc", "dream", "mdc"]):
        tmp_path = tmp_path_factory.mktemp("case")
        path = pair(tmp_path / "data.pt", *drawn(cifar10, ipc=2))
        with pytest.raises(ConfigError, match="--factor 2"):
            import_set(path, format=method, data=cifar10)


def test_a_set_counted_in_crops_cannot_be_cut_in_images(tmp_path, cifar10, drawn):
    path = pair(tmp_path / "data.pt", *drawn(cifar10, ipc=2))
    with pytest.raises(ConfigError, match="--order image"):
        import_set(path, format="mdc", data=cifar10, factor=2, ipc=1)
    assert import_set(path, format="mdc", data=cifar10, factor=2, ipc=1, order="image").sizes == 1


def standardised(images: torch.Tensor, data) -> np.ndarray:
    train = data.train.images.double() / 255
    mean = train.mean(dim=(0, 2, 3), keepdim=True)
    std = train.std(dim=(0, 2, 3), keepdim=True, unbiased=False)
    return ((images - mean) / std).permute(0, 2, 3, 1).numpy()


def test_arrays_of_kip_are_standardised_with_centred_labels(each, tmp_path_factory, mine, drawn):
    for dtype, archive in each(product([np.float32, np.float64, ">f4"], [True, False])):
        tmp_path = tmp_path_factory.mktemp("case")
        images, labels = drawn(mine, ipc=2)
        order = torch.tensor([5, 0, 4, 2, 1, 3])  # KIP's files are in no order
        held = {
            "images": standardised(images[order], mine).astype(dtype),
            "labels": np.eye(3, dtype=np.float32)[labels[order]] - np.float32(1 / 3),
        }
        path = tmp_path / "ConvNet_ssize6_nozca_nol_noaug_ckpt1000.npz"
        zca = None
        if archive:
            np.savez(path, **held)
        else:
            path, zca = tmp_path / "images.npy", False
            for name, array in held.items():
                np.save(tmp_path / f"{name}.npy", array)
        condensed = import_set(path, format="kip", data=mine, zca=zca)
        assert condensed.soft_labels is None
        assert imported(condensed)["labels"] == "hard"
        check_pixels(condensed, images[[0, 1, 2, 3, 5, 4]], ipc=2)  # class 2: its last came first


def test_learned_labels_of_kip_get_their_centre_back(tmp_path, mine, drawn):
    images, labels = drawn(mine, ipc=1)
    learned = np.eye(3)[labels] + [[0, 0.1, 0.2], [0.3, 0, 0.1], [-0.1, 0, 0]]
    path = tmp_path / "ConvNet_ssize3_nozca_l_noaug_ckpt1000.npz"
    np.savez(path, images=standardised(images, mine), labels=learned - 1 / 3)
    condensed = import_set(path, format="kip", data=mine)
    assert condensed.soft_labels is not None
    torch.testing.assert_close(condensed.soft_labels, torch.from_numpy(learned).float())
    assert imported(condensed)["labels"] == "learned"


def test_an_archive_without_labels_is_refused(tmp_path, mine):
    path = tmp_path / "kip.npz"
    np.savez(path, images=np.zeros((3, 4, 6, 1)))
    with pytest.raises(DataError, match="holds 'images', but no 'labels'"):
        import_set(path, format="kip", data=mine)


def folder_of(root: Path, images: torch.Tensor, labels: torch.Tensor, names: list[str]) -> Path:
    for image, label, number in zip(images, labels.tolist(), range(len(labels)), strict=True):
        folder = root / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (image[0] * 255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return root


def test_a_folder_of_images_is_ranked_by_name(tmp_path, mine, drawn):
    images, labels = drawn(mine, ipc=2)
    path = folder_of(tmp_path / "set", images, labels, ["0", "1", "2"])
    condensed = import_set(path, format="folder", data=mine)
    check_pixels(condensed, images, ipc=2)
    assert imported(condensed)["normalisation"] == {"kind": "none"}
    assert imported(condensed)["file"] == "set"
    assert len(imported(condensed)["sha256"]) == 64
    grids = import_set(path, format="folder", data=mine, factor=2)
    assert len(grids.decode()) == 24


def test_files_of_a_folder_that_are_no_images_are_told(tmp_path, mine, drawn):
    images, labels = drawn(mine, ipc=2)
    path = folder_of(tmp_path / "set", images, labels, ["0", "1", "2"])
    (path / "1" / "000.txt").write_text("notes", encoding="utf-8")
    with pytest.warns(DataWarning, match=r"left out 1/000\.txt"):
        check_pixels(import_set(path, format="folder", data=mine), images, ipc=2)


def test_a_folder_with_splits_is_no_condensed_set(tmp_path, mine, drawn):
    images, labels = drawn(mine, ipc=1)
    for split in ("train", "test"):
        folder_of(tmp_path / "set" / split, images, labels, ["0", "1", "2"])
    with pytest.raises(DataError, match="folder of the classes themselves"):
        import_set(tmp_path / "set", format="folder", data=mine)


def test_files_of_dance_and_ncfm_are_pairs_of_pixels_tested_by_their_own_protocols(
    each, tmp_path, cifar10, drawn
):
    images, labels = drawn(cifar10, ipc=2)
    for format in each(["dance", "ncfm"]):
        path = pair(tmp_path / f"{format}.pt", images, labels)
        condensed = import_set(path, format=format, factor=2, data=cifar10)
        assert condensed.manifest["decode"]["factor"] == 2
        assert condensed.prefixes
        check_pixels(condensed, images, ipc=2)
        assert protocol_for(None, evaluated_set(condensed, data="cifar10")).name == format


def test_a_file_is_no_folder(of_dc, cifar10):
    with pytest.raises(DataError, match="is no folder"):
        import_set(of_dc, format="folder", data=cifar10)


def test_a_choice_that_means_nothing_is_refused_before_reading(each, cifar10):
    for choice, value, format, owners in each(
        [
            ("experiment", 0, "mtt", "dc, dsa, dm"),
            ("labels", "y.pt", "dc", "mtt, datm, pad, kip"),
            ("factor", 2, "kip", "idc, dream, mdc, dance, ncfm, folder"),
            ("order", "crop", "dm", "idc, dream, mdc, dance, ncfm, folder"),
            (
                "mean",
                [0.5],
                "folder",
                "dc, dsa, dm, mtt, datm, pad, idc, dream, mdc, dance, ncfm, kip",
            ),
            ("zca", True, "idc", "mtt, datm, pad, kip"),
            ("learned_lr", 0.1, "dc", "mtt, datm, pad"),
        ]
    ):
        with pytest.raises(
            ConfigError, match=f"{choice} = .*nothing for format {format}.*to {owners}"
        ):
            import_set("no such file", format=format, data=cifar10, **{choice: value})


def test_choices_that_cannot_work_are_refused_before_reading(each, cifar10):
    for choices, message in each(
        [
            ({"format": "idk"}, "known are dc, dsa.*Did you mean 'idc'"),
            ({"format": "idc", "factor": 0}, "1 to 4 crops a side"),
            ({"format": "idc", "factor": 5}, "1 to 4 crops a side"),
            ({"format": "idc", "factor": 2, "order": "rank"}, "known are image"),
            ({"format": "dc", "ipc": 0}, "at least 1 image"),
            ({"format": "dc", "dtype": "unit8"}, "Did you mean 'uint8'"),
            ({"format": "mtt", "learned_lr": float("inf")}, "finite"),
        ]
    ):
        with pytest.raises(ConfigError, match=message):
            import_set("no such file", data=cifar10, **choices)


X, Y = torch.zeros(2, 3, 4, 6), torch.zeros(2)
WEIGHTS = {"features.0.weight": torch.zeros(2, 3), "features.0.bias": torch.zeros(2)}


def test_a_file_of_another_layout_is_refused_with_what_it_may_be(each, tmp_path_factory, cifar10):
    for content, format, message in each(
        [
            ([X, Y], "dc", r"a pair of images and labels.*--format idc, dream, mdc, dance or ncfm"),
            (
                [X, Y],
                "mtt",
                r"a pair of images and labels.*--format idc, dream, mdc, dance or ncfm",
            ),
            ({"data": [[X, Y], [X, Y]]}, "idc", r"lists 2 experiments.*--format dc, dsa or dm"),
            ({"data": [[X, Y]]}, "mtt", r"lists 1 experiment of.*--format dc, dsa or dm"),
            ({"images": X, "labels": Y}, "dm", "a dictionary of images and labels.*--format idc"),
            (X, "idc", r"one array of shape \[2, 3, 4, 6\].*--format mtt"),
            (X, "dc", r"one array of shape \[2, 3, 4, 6\].*--format mtt"),
            (Y, "mtt", r"may be labels.*give the file of the images"),
            (torch.tensor(0.02), "mtt", "one number, 0.02.*learned learning rate"),
            (WEIGHTS, "dc", "the weights of a network: 2 tensors such as 'features.0.weight'"),
            ({f"module.{k}": v for k, v in WEIGHTS.items()}, "idc", r"saved from DataParallel"),
            ({"state_dict": WEIGHTS, "epoch": 3}, "mtt", "checkpoint of a network.*'state_dict'"),
            ([[[Y, Y], [Y, Y]], [[Y, Y]]], "mtt", "training trajectories"),
            ([(X, Y, 0.02), (X, Y, 0.02)], "idc", "Dataset Distillation.*not read"),
            ([[X, Y], [X, Y], [X, Y]], "idc", "a list of 3 pairs.*save the pair that you need"),
            ({"model": Y}, "dc", "the keys 'model'.*load it yourself"),
            ({"data": []}, "dc", "'data' lists experiments"),
            ({"data": [[Y]]}, "dc", "'data' lists experiments"),
            (
                [Y, "labels"],
                "idc",
                "a list of 2, an array of shape .2. and a str, but .* a pair of",
            ),
            ([X, ["cat", "dog"]], "idc", "a list of 2, an array of shape .* and a list of str"),
            ([Y, X], "idc", r"in the order \[labels, images\].*save \[images, labels\]"),
            ([X, Y, torch.tensor(0.1)], "idc", "a list of 3 that begins with images and labels"),
            ([1, 2, 3], "idc", "a list of 3"),
            ("text", "mtt", "holds a str"),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        path = tmp_path / "data.pt"
        torch.save(content, path)
        with pytest.raises(DataError, match=message):
            import_set(path, format=format, data=cifar10, factor=1 if format == "idc" else None)


def test_only_plain_numbers_that_are_in_the_file_are_read(each, tmp_path_factory, cifar10):
    for images in each(
        [
            torch.zeros(20, 3, 4, 6).to_sparse(),
            torch.zeros(20, 3, 4, 6, dtype=torch.complex64),
            torch.zeros(20, 3, 4, 6, device="meta"),
            torch.zeros(1, 3, 4, 6).expand(2**40, 3, 4, 6),
        ]
    ):
        tmp_path = tmp_path_factory.mktemp("case")
        path = pair(tmp_path / "data.pt", images, torch.zeros(20))
        with pytest.raises(DataError, match=r"only plain dense numbers|claim the shape"):
            import_set(path, format="idc", data=cifar10, factor=1)


def test_bytes_are_pixels_in_any_format_and_a_notice_says_so(
    each, tmp_path_factory, cifar10, drawn
):
    for format in each(["dc", "mtt", "idc", "kip"]):
        tmp_path = tmp_path_factory.mktemp("case")
        images, labels = drawn(cifar10, ipc=2)
        pixels = (images * 255).round().byte()
        path = tmp_path / "images_best.pt"
        if format == "kip":
            path = tmp_path / "x.npz"
            np.savez(path, images=pixels.permute(0, 2, 3, 1).numpy(), labels=labels.numpy())
        elif format == "mtt":
            torch.save(pixels, path)
            torch.save(labels, tmp_path / "labels_best.pt")
        else:
            torch.save([pixels, labels] if format == "idc" else {"data": [[pixels, labels]]}, path)
        choices = {"factor": 1} if format == "idc" else {}
        with pytest.warns(
            DataWarning, match=f"holds bytes where files of format {format} hold floats"
        ):
            condensed = import_set(path, format=format, data=cifar10, **choices)
        check_pixels(condensed, images, ipc=2)
        assert imported(condensed)["normalisation"] == {"kind": "none"}
        assert "holds bytes" in imported(condensed)["notices"][0]
        with pytest.raises(ConfigError, match="Leave --mean and --std"):
            import_set(path, format=format, data=cifar10, mean=[0.5], std=[0.2], **choices)


def test_bytes_of_0_and_1_are_pixels_that_were_cut(tmp_path, cifar10, drawn):
    images, labels = drawn(cifar10, ipc=2)
    path = pair(tmp_path / "data.pt", images.byte(), labels)
    with pytest.raises(DataError, match=r"all of them 0 or 1.*cut to whole numbers"):
        import_set(path, format="idc", data=cifar10, factor=1)


@pytest.mark.parametrize("format", ["dc", "idc"])
def test_floats_of_0_to_255_are_refused_with_what_reads_them(tmp_path, cifar10, drawn, format):
    images, labels = drawn(cifar10, ipc=2)
    held = [images * 255, labels]
    path = tmp_path / "data.pt"
    torch.save(held if format == "idc" else {"data": [held]}, path)
    choices = {"factor": 1} if format == "idc" else {}
    with pytest.raises(DataError, match=r"look like pixels of 0 to 255.*--std 0.00392156862745098"):
        import_set(path, format=format, data=cifar10, **choices)
    condensed = import_set(
        path, format=format, data=cifar10, mean=[0], std=[0.00392156862745098], **choices
    )
    check_pixels(condensed, images, ipc=2)


def test_classes_that_are_not_balanced_are_refused_unless_cut(tmp_path, cifar10, drawn):
    images, labels = drawn(cifar10, ipc=2)
    path = pair(tmp_path / "data.pt", images[1:], labels[1:])
    with pytest.raises(DataError, match="--ipc 1"):
        import_set(path, format="idc", data=cifar10, factor=1)
    assert len(import_set(path, format="idc", data=cifar10, factor=1, ipc=1)) == 10


def test_the_set_of_another_data_set_is_refused(tmp_path, cifar10, dataset, drawn):
    path = pair(tmp_path / "data.pt", *drawn(cifar10, ipc=2))
    for other, message in (
        (dataset(channels=1), "1 x 4 x 6"),
        (dataset(classes=5), r"0 to 9, but .* has 5 classes"),
        (dataset(classes=11), "10 of the 11 classes of .*none of '10'"),
    ):
        with pytest.raises(DataError, match=message):
            import_set(path, format="idc", data=other, factor=1)


def test_every_format_says_what_it_takes():
    known = {"experiment", "labels", "factor", "order", "mean", "std", "zca", "learned_lr"}
    assert set().union(*(layout.takes for layout in FORMATS.values())) == known
