"""A fast function with a slow twin to fall back on, loudly.

Knows nothing about what the functions compute.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

from condensery.machine import undisturbed

__all__ = ["Fast"]

_log = logging.getLogger(__name__)

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


class Fast(Generic[_Given, _Found]):
    """Calls ``fast``; from its first failure on ``slow``, with a warning that names the reason.

    Args:
        fast: May fail, such as for want of a C++ compiler.
        slow: Gives the same up to rounding.
        what: Goes on without ``fast``, in the words of the warning.
    """

    def __init__(
        self, fast: Callable[_Given, _Found], slow: Callable[_Given, _Found], *, what: str
    ) -> None:
        self._fast: Callable[_Given, _Found] | None = fast
        self._slow = slow
        self._what = what

    @property
    def failed(self) -> bool:
        """Whether only ``slow`` is called from now on."""
        return self._fast is None

    def __call__(self, *args: _Given.args, **kwargs: _Given.kwargs) -> _Found:
        """Call the fast function, or its slow twin where it has failed."""
        if self._fast is None:
            return self._slowly(*args, **kwargs)
        try:
            return self._fast(*args, **kwargs)
        except Exception as error:  # no compiler, or a network it cannot trace
            # A mistake in the network or the batch shows again, clearer, in the slow twin.
            found = self._slowly(*args, **kwargs)
            self._fast = None
            _log.warning("Compiled code failed, %s goes on without it: %s", self._what, error)
            return found

    def _slowly(self, *args: _Given.args, **kwargs: _Given.kwargs) -> _Found:
        with undisturbed():  # it may call modules
            return self._slow(*args, **kwargs)
