"""The table of all data sets that the library knows by name.

Each entry has the usual spellings of the name, the folders of the download, the published
statistics, and the classes with all their usual names, in the order of their labels. A new data set
needs one entry here.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch

from condensery.data.image_data import ImageData
from condensery.data.imagenet import (
    IMAGENET_10,
    IMAGENET_100,
    MTT_SUBSETS,
    TINY_IMAGENET,
    wordnet_names,
)
from condensery.data.labels import default_names
from condensery.data.statistics import Statistics, measure


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Classes, each with all the names that people use for it.

    Attributes:
        names: One tuple for each class, the usual name first.
    """

    names: tuple[tuple[str, ...], ...]

    @cached_property
    def _exact(self) -> Mapping[str, int]:
        return self._by(str)

    @cached_property
    def _similar(self) -> Mapping[str, int]:
        return self._by(_letters)

    def _by(self, spelling: Callable[[str], str]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        ambiguous: set[str] = set()
        for index, names in enumerate(self.names):
            for spelt in {spelling(name) for name in names}:
                if found.setdefault(spelt, index) != index:
                    ambiguous.add(spelt)
        return {name: index for name, index in found.items() if name not in ambiguous}

    def find(self, name: str) -> int | None:
        """The class with a name; else, the one that it means if only letters and digits count.

        EMNIST has classes ``A`` and ``a``, so case does count where it tells classes apart.

        Returns:
            Its index in the table; ``None`` if there is no such class, or several.
        """
        found = self._exact.get(name)
        return self._similar.get(_letters(name)) if found is None else found


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownSet:
    """A data set of the literature.

    Attributes:
        name: Its canonical name, which users give and presets use.
        stem: Pattern of usual names of its folder or of the start of its files, in lower case.
        archive: Where it is published, in words for an error message. Empty if the package
            contains the set.
        statistics: The constants with which published results are normalised; ``None`` if there
            are none that most papers share: those of the train images are used.
        channels: 1 for grey images, 3 for colour.
        mirrored: Whether a mirrored image still shows its class.
        class_names: One name for each class, in the order of the labels.
        aliases: Other names of single classes, by their name in ``class_names``.
        numbered_by: Which files number the classes in this order. ``None``: all files, as the
            publisher does. Otherwise the formats of ``import_set`` that do; the numbers in other
            files have no known meaning.
        places: Folders that its download creates, in the order of preference; or a folder and the
            beginning of the names of its files, such as ``EMNIST/raw/emnist-letters``.
        marks: Files and folders that together show that a folder of any name contains the set.
        files: Parquet files that are read in such a folder.
        within: Pattern of usual names of the folder of a larger set that contains its class
            folders; empty if it is never a part of a larger set.
        side: Default side in pixels for images of many sizes.
        hub: Data set and configuration on the Hugging Face hub, if it is public there.
    """

    name: str
    stem: str
    archive: str
    class_names: tuple[str, ...]
    statistics: Statistics | None = None
    channels: int = 3
    mirrored: bool = True
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbered_by: tuple[str, ...] | None = None
    places: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    files: str = "*.parquet"
    within: str = ""
    side: int | None = None
    hub: tuple[str, str] | None = None

    @property
    def folders(self) -> tuple[str, ...] | None:
        """Class folders to read in a larger set; ``None`` reads all class folders."""
        return self.class_names if self.within else None

    @cached_property
    def table(self) -> ClassTable:
        """The names of its classes."""
        return ClassTable(
            tuple(
                (name, *_of_wordnet(name), *self.aliases.get(name, ())) for name in self.class_names
            )
        )

    def blank(self, side: int) -> ImageData:
        """One black image of every class, for choices that depend only on the shape."""
        classes = len(self.class_names)
        images = torch.zeros(classes, self.channels, side, side, dtype=torch.uint8)
        statistics = self.statistics or measure(images)
        return ImageData(
            name=self.name,
            images=images,
            labels=torch.arange(classes),
            class_names=self.class_names,
            mean=statistics.mean,
            std=statistics.std,
        )

    def numbering(self, origin: str | None = None) -> tuple[str, ...] | None:
        """The classes that the numbers 0, 1, 2, ... mean, or ``None`` if that is not certain.

        Args:
            origin: The format of a file in ``import_set``; ``None`` for a data set.
        """
        certain = self.numbered_by is None or origin in self.numbered_by
        return self.class_names if certain else None


def _of_wordnet(number: str) -> tuple[str, ...]:
    """The names of a class of ImageNet, single and as one text as on the hub."""
    names = wordnet_names().get(number, ())
    return (*names, ", ".join(names)) if names else ()


_CIFAR10 = Statistics(mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))
_FASHION = Statistics(mean=(0.2861,), std=(0.3530,))
_IMAGENET = Statistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_IMAGENET_FOLDERS = r"imagenet([-_ ]?(1k|2012))?|ilsvrc([-_ ]?2012)?"
_BY_HAND = (
    "https://image-net.org/download.php (registration), with train and val images in one folder "
    "a class, such as train/n02869837 and val/n02869837"
)
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT_NAMES = {str(i): (word, f"{i} - {word}") for i, word in enumerate(_DIGITS)}
_CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_CLOTHES_NAMES = {"T-shirt/top": ("T-shirt",), "Trouser": ("Trousers",)}
_CIFAR100_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
_MTT_NAMES = {  # what MTT's code calls classes, where ImageNet has another name
    "n02123159": ("bengal cat",),
    "n01819313": ("cockatoo",),
    "n07742313": ("green apple",),
    "n12057211": ("ladys slipper",),
    "n01773157": ("garden spider",),
}


_OBJECTS = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_OBJECT_NAMES = {"airplane": ("plane", "aeroplane"), "automobile": ("car",)}
_MERGED = (*string.digits, *string.ascii_uppercase, *"abdefghnqrt")
_EMNIST: Mapping[str, tuple[str, ...]] = {
    "byclass": (*string.digits, *string.ascii_uppercase, *string.ascii_lowercase),
    "bymerge": _MERGED,
    "balanced": _MERGED,
    "letters": tuple(string.ascii_lowercase),
    "digits": default_names(10),
    "mnist": default_names(10),
}
"""Classes of the splits of EMNIST; the merged ones tell few small letters from the capital ones."""

_ORGANS = (
    *("bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right", "liver"),
    *("lung-left", "lung-right", "pancreas", "spleen"),
)
_MEDMNIST: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "pathmnist": (
        3,
        (
            *("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle"),
            *("normal colon mucosa", "cancer-associated stroma"),
            "colorectal adenocarcinoma epithelium",
        ),
    ),
    "dermamnist": (
        3,
        (
            "actinic keratoses and intraepithelial carcinoma",
            *("basal cell carcinoma", "benign keratosis-like lesions", "dermatofibroma"),
            *("melanoma", "melanocytic nevi", "vascular lesions"),
        ),
    ),
    "octmnist": (
        1,
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    ),
    "pneumoniamnist": (1, ("normal", "pneumonia")),
    "retinamnist": (3, default_names(5)),
    "breastmnist": (1, ("malignant", "normal, benign")),
    "bloodmnist": (
        3,
        (
            *("basophil", "eosinophil", "erythroblast"),
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
            *("lymphocyte", "monocyte", "neutrophil", "platelet"),
        ),
    ),
    "tissuemnist": (
        1,
        (
            *("Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule"),
            *("Glomerular endothelial cells", "Interstitial endothelial cells", "Leukocytes"),
            *("Podocytes", "Proximal Tubule Segments", "Thick Ascending Limb"),
        ),
    ),
    "organamnist": (1, _ORGANS),
    "organcmnist": (1, _ORGANS),
    "organsmnist": (1, _ORGANS),
}
"""Channels and classes of the 2-D sets of MedMNIST, but for ChestMNIST: its images have several
classes each. Source: ``medmnist/info.py`` of the package medmnist 3.0.2."""

_SIGNS = (
    *(f"Speed limit ({speed}km/h)" for speed in (20, 30, 50, 60, 70, 80)),
    *("End of speed limit (80km/h)", "Speed limit (100km/h)", "Speed limit (120km/h)"),
    *("No passing", "No passing for vehicles over 3.5 metric tons"),
    *("Right-of-way at the next intersection", "Priority road", "Yield", "Stop", "No vehicles"),
    *("Vehicles over 3.5 metric tons prohibited", "No entry", "General caution"),
    *("Dangerous curve to the left", "Dangerous curve to the right", "Double curve"),
    *("Bumpy road", "Slippery road", "Road narrows on the right", "Road work"),
    *("Traffic signals", "Pedestrians", "Children crossing", "Bicycles crossing"),
    *("Beware of ice/snow", "Wild animals crossing", "End of all speed and passing limits"),
    *("Turn right ahead", "Turn left ahead", "Ahead only", "Go straight or right"),
    *("Go straight or left", "Keep right", "Keep left", "Roundabout mandatory"),
    *("End of no passing", "End of no passing by vehicles over 3.5 metric tons"),
)
# Source: signnames.csv of Udacity's traffic sign classifier; the publisher has numbers alone.

_PETS = """
Abyssinian american_bulldog american_pit_bull_terrier basset_hound beagle Bengal Birman Bombay boxer
British_Shorthair chihuahua Egyptian_Mau english_cocker_spaniel english_setter german_shorthaired
great_pyrenees havanese japanese_chin keeshond leonberger Maine_Coon miniature_pinscher newfoundland
Persian pomeranian pug Ragdoll Russian_Blue saint_bernard samoyed scottish_terrier shiba_inu Siamese
Sphynx staffordshire_bull_terrier wheaten_terrier yorkshire_terrier
"""
# Source: the labels of tensorflow-datasets 4.9.10, which are those of ``annotations/list.txt``.

_DISHES = """
apple_pie baby_back_ribs baklava beef_carpaccio beef_tartare beet_salad beignets bibimbap
bread_pudding breakfast_burrito bruschetta caesar_salad cannoli caprese_salad carrot_cake ceviche
cheese_plate cheesecake chicken_curry chicken_quesadilla chicken_wings chocolate_cake
chocolate_mousse churros clam_chowder club_sandwich crab_cakes creme_brulee croque_madame cup_cakes
deviled_eggs donuts dumplings edamame eggs_benedict escargots falafel filet_mignon fish_and_chips
foie_gras french_fries french_onion_soup french_toast fried_calamari fried_rice frozen_yogurt
garlic_bread gnocchi greek_salad grilled_cheese_sandwich grilled_salmon guacamole gyoza hamburger
hot_and_sour_soup hot_dog huevos_rancheros hummus ice_cream lasagna lobster_bisque
lobster_roll_sandwich macaroni_and_cheese macarons miso_soup mussels nachos omelette onion_rings
oysters pad_thai paella pancakes panna_cotta peking_duck pho pizza pork_chop poutine prime_rib
pulled_pork_sandwich ramen ravioli red_velvet_cake risotto samosa sashimi scallops seaweed_salad
shrimp_and_grits spaghetti_bolognese spaghetti_carbonara spring_rolls steak strawberry_shortcake
sushi tacos takoyaki tiramisu tuna_tartare waffles
"""
# Source: ``food-101_classes.txt`` of tensorflow-datasets 4.9.10. The order is that of the folders,
# which torchvision has, too. Other loaders follow the list of the publisher, where cheesecake comes
# before cheese_plate, so that the numbers 16 and 17 mean one or the other.


def _of_emnist(split: str, names: tuple[str, ...]) -> KnownSet:
    """A split of EMNIST, of which each has classes of its own."""
    name = f"emnist-{split}"
    return KnownSet(
        name=name,
        stem=rf"emnist[-_ ]?{split}",
        archive="https://www.nist.gov/itl/products-and-services/emnist-dataset (gzip.zip)",
        channels=1,
        mirrored=False,
        class_names=names,
        aliases=_DIGIT_NAMES,
        places=(f"EMNIST/raw/{name}", f"gzip/{name}", name),
    )


def _of_medmnist(name: str, channels: int, names: tuple[str, ...]) -> KnownSet:
    """A 2-D set of MedMNIST, in any of its sizes."""
    return KnownSet(
        name=name,
        stem=name,
        archive=f"https://medmnist.com ({name}.npz; {name}_64.npz and others are larger images)",
        channels=channels,
        mirrored=names is not _ORGANS,
        class_names=names,
    )


def _of_mtt(name: str, *, places: tuple[str, ...] = (), archive: str = _BY_HAND) -> KnownSet:
    """One of the ten-class subsets of ImageNet that MTT introduced, or took from fast.ai."""
    classes = MTT_SUBSETS[name]
    ascending = classes == tuple(sorted(classes))
    return KnownSet(
        name=name,
        stem=rf"{name}2?([-_ ]?\d+)?",
        archive=archive,
        statistics=_IMAGENET,
        class_names=classes,
        aliases=_MTT_NAMES,
        numbered_by=None if ascending else ("mtt", "datm", "pad"),
        places=places or ("ILSVRC/Data/CLS-LOC",),
        within="" if places else _IMAGENET_FOLDERS,
        side=128,
    )


_ALL = (
    KnownSet(
        name="mnist",
        stem=r"(?<!emnist[-_ ])mnist",  # EMNIST has a split called mnist
        archive="https://ossci-datasets.s3.amazonaws.com/mnist/ (the four .gz files)",
        statistics=Statistics(mean=(0.1307,), std=(0.3081,)),
        channels=1,
        mirrored=False,
        class_names=default_names(10),
        aliases=_DIGIT_NAMES,
        places=("MNIST/raw",),
        hub=("ylecun/mnist", "mnist"),
    ),
    KnownSet(
        name="fashion-mnist",
        stem=r"fashion[-_ ]?mnist",
        archive="https://github.com/zalandoresearch/fashion-mnist (the four .gz files)",
        statistics=_FASHION,
        channels=1,
        class_names=_CLOTHES,
        aliases=_CLOTHES_NAMES,
        places=("FashionMNIST/raw",),
        hub=("zalando-datasets/fashion_mnist", "fashion_mnist"),
    ),
    KnownSet(
        name="fashion-mini",
        stem=r"fashion[-_ ]?mini",
        archive="",
        statistics=_FASHION,
        channels=1,
        class_names=_CLOTHES,
        aliases=_CLOTHES_NAMES,
    ),
    KnownSet(
        name="cifar10",
        stem=r"cifar[-_ ]?10",
        archive="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        statistics=_CIFAR10,
        class_names=_OBJECTS,
        aliases=_OBJECT_NAMES,
        places=("cifar-10-batches-py", "cifar-10-batches-bin"),
        hub=("uoft-cs/cifar10", "plain_text"),
    ),
    # CIFAR-100 follows the rule of IDC (and of MDC and MTT after it): CIFAR-10's constants are
    # used again. DC and DC-BENCH use .5071 .4866 .4409 / .2673 .2564 .2762 instead.
    KnownSet(
        name="cifar100",
        stem=r"cifar[-_ ]?100",
        archive="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        statistics=_CIFAR10,
        class_names=tuple(_CIFAR100_NAMES.split()),
        aliases={"crab": ("cra",)},  # as the hub has it
        places=("cifar-100-python", "cifar-100-binary"),
        hub=("uoft-cs/cifar100", "cifar100"),
    ),
    KnownSet(
        name="svhn",
        stem=r"svhn",
        archive="http://ufldl.stanford.edu/housenumbers/train_32x32.mat and test_32x32.mat",
        statistics=Statistics(mean=(0.4377, 0.4438, 0.4728), std=(0.1980, 0.2010, 0.1970)),
        mirrored=False,
        class_names=default_names(10),
        aliases=_DIGIT_NAMES,
        places=("cropped_digits",),
        marks=("train_32x32.mat",),
        files="t*.parquet",  # train and test: the easier "extra" is left alone
        hub=("ufldl-stanford/svhn", "cropped_digits"),
    ),
    KnownSet(
        name="kmnist",
        stem=r"k(uzushiji[-_ ]?)?mnist",
        archive="http://codh.rois.ac.jp/kmnist/ (the four .gz files of Kuzushiji-MNIST)",
        channels=1,
        mirrored=False,
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        aliases={
            name: (character, f"{character} ({name})")
            for name, character in zip(
                ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
                "おきすつなはまやれを",
                strict=True,
            )
        },
        places=("KMNIST/raw",),
    ),
    KnownSet(
        name="qmnist",
        stem=r"qmnist",
        archive="https://github.com/facebookresearch/qmnist (images and labels of train and test)",
        channels=1,
        mirrored=False,
        class_names=default_names(10),
        aliases=_DIGIT_NAMES,
        places=("QMNIST/raw",),
    ),
    *(_of_emnist(split, names) for split, names in _EMNIST.items()),
    *(_of_medmnist(name, channels, names) for name, (channels, names) in _MEDMNIST.items()),
    KnownSet(
        name="stl10",
        stem=r"stl[-_ ]?10",
        archive="http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        class_names=(
            *("airplane", "bird", "car", "cat", "deer"),
            *("dog", "horse", "monkey", "ship", "truck"),
        ),
        aliases={"airplane": ("plane", "aeroplane"), "car": ("automobile",)},
        places=("stl10_binary",),
    ),
    KnownSet(  # constants: the README of its authors, github.com/BayesWatch/cinic-10
        name="cinic10",
        stem=r"cinic[-_ ]?10",
        archive="https://datashare.ed.ac.uk/handle/10283/3192 (CINIC-10.tar.gz)",
        statistics=Statistics(
            mean=(0.47889522, 0.47227842, 0.43047404), std=(0.24205776, 0.23828046, 0.25874835)
        ),
        class_names=_OBJECTS,
        aliases=_OBJECT_NAMES,
    ),
    KnownSet(
        name="gtsrb",
        stem=r"gtsrb",
        archive="https://benchmark.ini.rub.de/gtsrb_dataset.html (training images, test images, "
        "and GT-final_test.csv of the test images, side by side)",
        mirrored=False,
        class_names=_SIGNS,
        aliases={name: (str(i), f"{i:05d}") for i, name in enumerate(_SIGNS)},
        marks=("GTSRB", "GT-final_test.csv"),
        side=32,
    ),
    KnownSet(
        name="food101",
        stem=r"food[-_ ]?101",
        archive="http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
        class_names=tuple(_DISHES.split()),
        numbered_by=(),
        places=("food-101",),
        side=128,
    ),
    KnownSet(
        name="oxford-pets",
        stem=r"(oxford[-_ ]?)?(iiit[-_ ]?)?pets?",
        archive="https://www.robots.ox.ac.uk/~vgg/data/pets/ (images.tar.gz and "
        "annotations.tar.gz, unpacked side by side)",
        class_names=tuple(_PETS.split()),
        places=("oxford-iiit-pet",),
        marks=("images", "annotations/trainval.txt", "annotations/test.txt"),
        side=128,
    ),
    KnownSet(  # constants: those of ImageNet, as in MTT
        name="tiny-imagenet",
        stem=r"tiny[-_ ]?imagenet([-_ ]?200)?",
        archive="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        statistics=_IMAGENET,
        class_names=TINY_IMAGENET,
        places=("tiny-imagenet-200",),
    ),
    *(
        KnownSet(
            name=f"imagenet-{len(classes)}",
            stem=rf"imagenet[-_ ]?{len(classes)}",
            archive=_BY_HAND,
            statistics=_IMAGENET,
            class_names=classes,
            numbered_by=("idc", "dream", "mdc"),
            places=("ILSVRC/Data/CLS-LOC",),
            within=_IMAGENET_FOLDERS,
            side=224,
        )
        for classes in (IMAGENET_10, IMAGENET_100)
    ),
    _of_mtt(
        "imagenette",
        places=("imagenette2-160", "imagenette2-320", "imagenette2"),
        archive="https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
    ),
    _of_mtt(
        "imagewoof",
        places=("imagewoof2-160", "imagewoof2-320", "imagewoof2"),
        archive="https://s3.amazonaws.com/fast-ai-imageclas/imagewoof2-160.tgz",
    ),
    *(_of_mtt(name) for name in ("imagemeow", "imagesquawk", "imagefruit", "imageyellow")),
)

KNOWN: Mapping[str, KnownSet] = {known.name: known for known in _ALL if known.archive}
"""All data sets that are searched by name."""

EMBEDDED = ("digits", "fashion-mini")
"""Names of the data sets in the package."""


CLASS_TABLES: tuple[ClassTable, ...] = (
    *(known.table for known in _ALL),
    ClassTable(tuple((number, *_of_wordnet(number)) for number in wordnet_names())),
)
"""Tables with different names of one class."""

_NOT_TO_BE_MIRRORED = ("digits", "emnist", "usps")


def may_be_mirrored(name: str) -> bool:
    """Whether a mirrored image still shows its class, which is not so for digits and letters."""
    known = KNOWN.get(name.lower())
    return known.mirrored if known else name.lower() not in _NOT_TO_BE_MIRRORED


def known_by_path(
    path: str, *, classes: int, channels: int, names: Sequence[str] | None = None
) -> KnownSet | None:
    """Recognise a data set by its path.

    The last component of the path that contains a known name decides, so
    ``mnist-variants/fashion-mnist`` is Fashion-MNIST. Classes and channels must agree: ten
    classes of ``cifar100`` are another data set.

    Args:
        path: A path, or the name of a type.
        classes: Number of classes of the source.
        channels: Number of channels of the source.
        names: Names of its classes, if the source has them: at least half of them must be names of
            the set.
    """
    for component in reversed(re.split(r"[/\\]", path.lower())):
        named = [
            (match.end() - match.start(), known)
            for known in _ALL
            if (match := re.search(rf"(?<![a-z])({known.stem})(?![a-z0-9])", component))
        ]
        if named:  # the longest name: fashion-mnist also contains mnist
            known = max(named, key=lambda found: found[0])[1]
            return known if _agrees(known, classes, channels, names) else None
    return None


def known_by_name(
    name: str, *, classes: int, channels: int, names: Sequence[str] | None = None
) -> KnownSet | None:
    """Recognise a data set by the whole name that the user gives it, in any usual spelling.

    ``CIFAR-10`` is ours, ``my-cifar10`` is not. See ``known_by_path`` for the arguments.
    """
    for known in _ALL:
        if re.fullmatch(known.stem, name.lower()) and _agrees(known, classes, channels, names):
            return known
    return None


def _agrees(known: KnownSet, classes: int, channels: int, names: Sequence[str] | None) -> bool:
    if (len(known.class_names), known.channels) != (classes, channels):
        return False
    if names is None or tuple(names) in (default_names(classes), known.class_names):
        return True
    return 2 * sum(known.table.find(name) is not None for name in names) >= classes
