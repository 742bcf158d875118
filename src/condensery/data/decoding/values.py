"""The conversion of the pixel values of a source to 8 bits, with a notice if much is lost.

Bytes keep their values, 16-bit values are divided by 257, floats in [0, 1] are multiplied by 255. A
``ValueRange`` replaces these rules by one linear scale for all splits of a source. Without a
value range, a source whose values fill only a small part of the usual scale gets a notice.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from condensery.errors import DataError

_LEVELS = 64
"""A source with more levels than this after the conversion (a quarter of 256) gets no notice."""

_SAMPLE = 2**14  # values of one picture or block that are remembered
_SAMPLES = 2**20  # values of a source that are remembered
_TOPS = (1, 15, 255, 1023, 4095, 16383, 65535)  # of whole numbers of 1, 4, 8, 10, ... bits
_SPANS = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))  # in which people keep floats


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The pixel values that become 0 (``low`` and below) and 255 (``high`` and above)."""

    low: float
    high: float

    @staticmethod
    def of(given: object) -> ValueRange | None:
        """Check the option ``value_range`` of ``load_data``."""
        if given is None:
            return None
        ends = list(given) if isinstance(given, (tuple, list, np.ndarray)) else []
        numbers = [
            float(end)
            for end in ends
            if isinstance(end, Real) and not isinstance(end, bool) and math.isfinite(end)
        ]
        if not len(ends) == len(numbers) == 2 or numbers[0] >= numbers[1]:
            raise DataError(
                f"value_range={given!r} is not a range of pixel values. Give two finite numbers, "
                "the lower one first: --value-range 0,4095 (value_range=(0, 4095)) makes values at "
                "or below 0 black and values at or above 4095 white."
            )
        return ValueRange(*numbers)

    def __str__(self) -> str:
        """The text for the command line, such as ``0,4095``."""
        return f"{_number(self.low)},{_number(self.high)}"

    @property
    def option(self) -> str:
        """The option for the command line and for Python."""
        python = f"{_number(self.low)}, {_number(self.high)}"
        return f"--value-range{'=' if self.low < 0 else ' '}{self} (value_range=({python}))"

    @property
    def effect(self) -> str:
        """The effect of the range in words."""
        low, high = _number(self.low), _number(self.high)
        return f"values at or below {low} become 0, values at or above {high} become 255"


class NoScale(DataError):
    """The error for pixel values whose type has no agreed scale, without a value range.

    Attributes:
        what: The kind of pixels, such as ``"float pixels"``.
        low: The lowest value.
        high: The highest value.
        whole: Whether all values are whole numbers.
    """

    def __init__(
        self, what: str, low: float, high: float, *, whole: bool, title: str = "a picture"
    ) -> None:
        """Say what was found in the images called ``title``, and which option reads it."""
        self.what, self.low, self.high, self.whole = what, low, high, whole
        way = _suggested(low, high, whole=whole)
        outside = ", outside [0, 1]," if what == "float pixels" and (low < 0 or high > 1) else ""
        text = f"{title}: {what} run from {_number(low)} to {_number(high)}{outside} and have no "
        text += f"agreed scale. Give {way.option}: {way.effect}."
        if low < 0 and not whole:
            text += " If they were normalised, leave normalisation out: it is done later."
        super().__init__(text)

    @property
    def reason(self) -> str:
        """The reason why one image was skipped."""
        return (
            f"its {self.what} run from {_number(self.low)} to {_number(self.high)} and have no "
            "agreed scale without --value-range (value_range=)"
        )

    @staticmethod
    def together(title: str, found: Sequence[tuple[str, NoScale]]) -> NoScale:
        """One error about all images of a source without a scale, each with its name."""
        name, first = found[0]
        errors = [error for _, error in found]
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return NoScale(
            first.what,
            min(error.low for error in errors),
            max(error.high for error in errors),
            whole=all(error.whole for error in errors),
            title=f"{title}, {name}{others}",
        )


def scaled(values: np.ndarray, span: ValueRange) -> np.ndarray:
    """Map finite numbers to 0..255, linear between the ends of a range, and rounded.

    ``float32`` is computed in ``float32``.
    """
    wide = values if values.dtype.name in ("float32", "float64") else values.astype(np.float64)
    with np.errstate(over="ignore"):
        levels = (wide - span.low) * (255 / (span.high - span.low))
        return np.rint(levels.clip(0, 255)).astype(np.uint8)


def _suggested(low: float, high: float, *, whole: bool) -> ValueRange:
    """The suggested range for values from ``low`` to ``high``.

    For integers, its end is the highest number of 1, 4, 8, 10, 12, 14 or 16 bits, if the values use
    the last of these bits.
    """
    if whole and 0 <= low <= high / 2:
        return ValueRange(0, next((top for top in _TOPS if top / 2 < high <= top), high))
    if not whole:
        for start, end in _SPANS:
            slack = (end - start) / 100
            if start - slack <= low and high <= end + slack and 2 * (high - low) > end - start:
                return ValueRange(start, end)
        if 0 <= low <= high / 2:
            return ValueRange(0, high)
    return ValueRange(low, high if high > low else low + 1)


_KINDS = {
    "8-bit": (ValueRange(0, 255), "8-bit values"),
    "8-bit on black": (ValueRange(0, 255), "8-bit values on a black background"),
    "16-bit colour": (
        ValueRange(0, 255),
        "the upper 8 bits of 16-bit colour, which is all that Pillow reads",
    ),
    "16-bit": (ValueRange(0, 65535), "16-bit values"),
    "float": (ValueRange(0, 1), "floats in [0, 1]"),
}
"""The kinds of values with an agreed scale: the scale, and the name of the values in notices."""


@dataclass(slots=True)
class _ObservedValues:
    """The values of one kind that were converted until now."""

    low: float = math.inf
    high: float = -math.inf
    levels: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    sample: list[np.ndarray] = field(default_factory=list[np.ndarray])
    sampled: int = 0
    varied: bool = False  # whether the values of any one image differ
    settled: bool = False

    @property
    def span(self) -> int:
        """Highest level minus lowest level."""
        found = self.levels.nonzero()[0]
        return int(found[-1] - found[0]) if len(found) else 0


class Conversion:
    """Converts the pixel values of one source to 8 bits, and records what is lost.

    Several threads may use it at the same time.
    """

    def __init__(self, value_range: ValueRange | None = None) -> None:
        """Start a source; ``value_range=None`` is the agreed scale of every kind."""
        self.value_range = value_range
        self._seen: dict[str, _ObservedValues] = {}
        self._lock = threading.Lock()

    def convert(self, values: np.ndarray, kind: str, *, stacked: bool = False) -> np.ndarray:
        """Convert values and record them.

        Args:
            values: Finite numbers of any real type and shape.
            kind: ``"8-bit"``, ``"8-bit on black"`` (where pixels may be transparent), ``"16-bit"``,
                ``"16-bit colour"`` (the upper 8 of 16 bits), ``"float"``, or with a value range
                any other word, the same for the whole source.
            stacked: Whether the first axis counts images; else the values are of one image.

        Returns:
            ``uint8``, of the same shape; the same array where nothing changes.
        """
        span = self.value_range or _KINDS[kind][0]
        same = values.dtype == np.uint8 and span == ValueRange(0, 255)
        levels = values if same else scaled(values, span)
        with self._lock:
            seen = self._seen.setdefault(kind, _ObservedValues())
            if values.size and not seen.settled:
                self._see(seen, values, levels, stacked=stacked)
        return levels

    def _see(
        self, seen: _ObservedValues, values: np.ndarray, levels: np.ndarray, *, stacked: bool
    ) -> None:
        seen.low = min(seen.low, float(values.min()))
        seen.high = max(seen.high, float(values.max()))
        seen.levels += np.bincount(levels.reshape(-1), minlength=256)
        if self.value_range is not None:
            seen.settled = bool(np.count_nonzero(seen.levels) > 1)
        elif values.dtype == np.uint8:
            seen.settled = seen.span > _LEVELS
            if not seen.varied:
                each = values.reshape(len(values) if stacked else 1, -1)
                seen.varied = bool((each.min(1) < each.max(1)).any())
        else:
            seen.settled = bool(np.count_nonzero(seen.levels) > _LEVELS + 1)
            if seen.sampled < _SAMPLES:
                flat = values.reshape(-1)
                seen.sample.append(flat[:: max(1, flat.size // _SAMPLE)].copy())
                seen.sampled += len(seen.sample[-1])
        if seen.settled:
            seen.sample.clear()

    def notices(self, title: str) -> tuple[str, ...]:
        """Notices for the user about the values of the whole source, which is called ``title``.

        Returns:
            Sentences with the highest value, the number of levels after the conversion, and the
            option that changes it. None with a value range.
        """
        if self.value_range is None:
            found = (_notice(title, kind, seen) for kind, seen in sorted(self._seen.items()))
            return tuple(notice for notice in found if notice)
        kinds = sorted({" ".join(kind.split()[:1]) for kind in self._seen})
        if len(kinds) > 1:
            raise DataError(
                f"{title}: holds pixel values of different kinds ({', '.join(kinds)}), and one "
                f"range cannot hold for all of them. Leave out {self.value_range.option}, or "
                "store all images in one kind."
            )
        low = min((seen.low for seen in self._seen.values()), default=0)
        high = max((seen.high for seen in self._seen.values()), default=0)
        levels = np.sum([seen.levels for seen in self._seen.values()], axis=0)
        if low < high and np.count_nonzero(levels) == 1:
            way = _suggested(low, high, whole=kinds != ["float"])
            raise DataError(
                f"{title}: with {self.value_range.option} every pixel becomes "
                f"{int(levels.argmax())}, because the values found run from {_number(low)} to "
                f"{_number(high)}. Give a range that covers them, such as {way.option}."
            )
        return ()


def _notice(title: str, kind: str, seen: _ObservedValues) -> str | None:
    """The notice about values of one kind, if the usual scale does not suit them."""
    left = int(np.count_nonzero(seen.levels))
    if kind == "8-bit on black" and seen.low == seen.high == 0:
        return (
            f"{title}: every pixel of the pictures with transparency is 0 on a black background, "
            "because all their pixels are transparent or black. If they show something, save them "
            "without the alpha channel."
        )
    if seen.settled or seen.low >= seen.high:
        return None
    full, called = _KINDS[kind]
    high, share = seen.high, ""
    if seen.sample:
        sample = np.concatenate(seen.sample)
        bulk = np.quantile(sample, (0.001, 0.999), method="nearest").astype(np.float64)
        spread = (bulk[1] - bulk[0]) / (full.high - full.low) * 255
        if seen.span > _LEVELS:
            if spread > _LEVELS or len(np.unique(sample)) < 2 * left:
                return None
            high = float(bulk[1])
            share = f" (99.9 % of the values are at or below {_number(high)})"
    elif not seen.varied:  # bytes lose nothing, and images of one colour have no contrast to lose
        return None
    way = _suggested(min(seen.low, high), high, whole=kind != "float")
    text = (
        f"{title}: the highest pixel value found is {_number(seen.high)} of {_number(full.high)} "
        f"({called}){share}, the lowest {_number(seen.low)}; as 8-bit images {left} of 256 levels "
        f"{'is' if left == 1 else 'are'} left. "
    )
    if kind == "16-bit colour":
        return text + (
            "The lower bits cannot be had by an option: convert the pictures to 8 bits with the "
            f"right scale and save them again. {way.option} only spreads the levels that are left."
        )
    return text + (
        f"Give {way.option}, and {way.effect}; --value-range {full} keeps the values as they are "
        "without this notice."
    )


def _number(value: float) -> str:
    """A number as a user would write it."""
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}"
