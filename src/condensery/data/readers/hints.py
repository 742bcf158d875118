"""What is missing from folders that look like a well-known layout, but cannot be read as it.

Knows nothing about what is in the files.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["hint"]

_HINTS = (
    (
        "Final_Test",
        "The labels of the test images of GTSRB are in GT-final_test.csv, which its publisher "
        "gives in GTSRB_Final_Test_GT.zip: put it beside 'Final_Test'.",
    ),
    (
        "val/ILSVRC2012_val_00000001.JPEG",
        "Move the validation images of ImageNet into one folder a class, as in 'train'.",
    ),
    (
        "val/images",
        "If it is TinyImageNet, the labels of 'val' are in val/val_annotations.txt of its archive.",
    ),
    (
        "JPEGImages",
        "If it is a set in the layout of Pascal VOC, its images have boxes, not one class each.",
    ),
    (
        "images/../annotations",
        "If it is Oxford-IIIT Pet, annotations/trainval.txt and annotations/test.txt are missing: "
        "unpack annotations.tar.gz beside 'images'.",
    ),
    (
        "images/../labels",
        "If 'labels' holds boxes (as for YOLO), the images do not have one class each.",
    ),
    (
        "annotations/instances_train2017.json",
        "The images of COCO have boxes, not one class each.",
    ),
    (
        "list_attr_celeba.txt",
        "The images of CelebA have attributes, not one class each.",
    ),
)


def hint(folder: Path) -> str:
    """A sentence about the layout that a folder without labels looks like; else nothing."""
    return next((text for marker, text in _HINTS if (folder / marker).exists()), "")
