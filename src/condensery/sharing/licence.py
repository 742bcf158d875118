"""The licence under which a user publishes a set: always given by the user, never guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from condensery.errors import ConfigError

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_EXAMPLES = "mit, cc0-1.0, cc-by-4.0, cc-by-sa-4.0, cc-by-nc-4.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """A licence as the Hub writes it.

    Attributes:
        identifier: An identifier of the Hub in lower case, such as ``"cc-by-4.0"``, or ``"other"``.
        link: Address of the text of the licence; needed for ``"other"``, and only there.
    """

    identifier: str
    link: str | None = None

    @classmethod
    def of(cls, identifier: str | None, *, link: str | None) -> Licence:
        """The licence that a user gave.

        Args:
            identifier: As ``identifier`` above; ``None`` if nothing was given.
            link: As ``link`` above.

        Raises:
            ConfigError: If there is none, or it is no identifier.
        """
        if identifier is None:
            raise ConfigError(
                "No licence was given, and none is guessed: condensed images are made from those "
                "of the original data set, whose licence decides what may be published. Give "
                f"--license (license=), such as {_EXAMPLES}; or --license other with "
                "--license-link URL (license_link=)."
            )
        if not _IDENTIFIER.fullmatch(identifier):
            raise ConfigError(
                f"--license {identifier!r} is no identifier of the Hub, which are lower-case words "
                f"such as {_EXAMPLES}, or other."
            )
        if (identifier == "other") != (link is not None):
            raise ConfigError(
                "--license other and --license-link URL belong together: the link says which "
                "licence it is. An identifier of the Hub needs no link."
            )
        return cls(identifier=identifier, link=link)

    def head(self) -> dict[str, Any]:
        """The keys of the YAML head."""
        if self.link is None:
            return {"license": self.identifier}
        return {"license": "other", "license_name": "other", "license_link": self.link}

    def sentence(self, *, data: str) -> str:
        """What the card says about it."""
        named = f"`{self.identifier}`" if self.link is None else f"[this licence]({self.link})"
        return (
            f"The publisher of this set gives {named}. Its images are made from those of {data}, "
            "whose own terms apply as well."
        )
