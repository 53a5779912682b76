"""Where pictures lie: paths of this machine, addresses of stores, members of tars, all as texts.

A picture is a folder's text and a name. Of what is no file of this machine both may go on behind a
NUL, which no path can hold, with what has to be known to read it and to notice that it has changed:

    s3://bucket/faces           a.png NUL size:state        an object of a store
    /shards/0.tar NUL state     a.png NUL offset+size       a member of a tar, here or in a store
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anime_pipeline.core.errors import UsageError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://(.*)", re.DOTALL)
_FACTS = re.compile("\0[^/]*")


@dataclass(frozen=True)
class Url:
    """A folder, a tar or a picture in a store, such as ``s3://bucket/faces``."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The last part, as of a path."""
        return self.text.rpartition("/")[2]

    def resolve(self) -> Url:
        """Return the address itself, which is whole wherever one stands."""
        return self


@dataclass(frozen=True)
class Remote:
    """A picture or a table that is no file of its own on this machine.

    Attributes:
        folder: The folder's address without an end, or the tar and its state.
        entry: The name and what is needed to read it.
    """

    folder: str
    entry: str

    def __str__(self) -> str:
        return without_facts(f"{self.folder}/{self.entry}")

    @property
    def name(self) -> str:
        """The name alone, without folders within a tar."""
        return str(self).rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending, with its point."""
        return os.path.splitext(self.name)[1]

    @property
    def tar(self) -> str | None:
        """The tar that it is a member of."""
        tar, nul, _ = self.folder.partition("\0")
        return tar if nul else None

    @property
    def is_far(self) -> bool:
        """Whether it has to be fetched from a store."""
        return is_url(self.folder)

    @property
    def span(self) -> tuple[int, int | None]:
        """Where it begins in its object or tar, and how many bytes it has, if that is known."""
        facts = self.entry.partition("\0")[2]
        if self.tar is not None:
            offset, _, size = facts.partition("+")
            return int(offset), int(size)
        size = facts.partition(":")[0]
        return 0, int(size) if size else None

    @classmethod
    def member(cls, folder: str, name: str, offset: int, size: int) -> Remote:
        """Return a member of a tar; `folder` is the tar and its state, see `tar_folder`."""
        return cls(folder, f"{name}\0{offset}+{size}")

    @classmethod
    def stored(cls, address: str, size: int | None, state: str) -> Remote:
        """Return an object of a store."""
        folder, _, name = address.rpartition("/")
        return cls(folder, f"{name}\0{'' if size is None else size}:{state}")


Root = Path | Url
Place = Path | Remote


def is_url(text: str) -> bool:
    """Tell whether a text is the address of a store, not a path."""
    return bool(_URL.match(text))


def without_facts(text: str) -> str:
    """Return a place as people may read it."""
    return _FACTS.sub("", text) if "\0" in text else text


def parse_root(given: str | Root) -> Root:
    """Read what names a set of pictures.

    Raises:
        UsageError: If it is an address that tells a password, or no single place. The password is
            not repeated.
    """
    found = _URL.match(given) if isinstance(given, str) else None
    if not found:
        return Path(given) if isinstance(given, str) else given
    scheme, rest = found[1].lower(), found[2]
    _, colon, port = rest.partition("/")[0].partition(":")
    if "@" in rest and colon and not port.isdigit():
        raise UsageError(
            f"The address begins with a name and a password ({scheme}://...@...). Leave them out: "
            "run configurations and reports keep the address. fsspec reads credentials from the "
            "environment and from files, as the store's own tools do."
        )
    if "::" in rest:
        raise UsageError(f"{scheme}://... holds '::'. Expected the address of one store.")
    if not rest.strip("/"):
        raise UsageError(f"{given} names no folder. Expected an address as s3://bucket/faces.")
    return Url(f"{scheme}://{rest.rstrip('/')}")


def located(folder: str, name: str) -> Place:
    """Return the place of a folder's text and a name's."""
    return Remote(folder, name) if "\0" in name else Path(folder, name)


def divided(place: Place) -> tuple[str, str]:
    """Return the texts that `located` makes this place of."""
    if isinstance(place, Remote):
        return place.folder, place.entry
    return os.path.dirname(place), place.name


def named(folder: str, name: str = "") -> str:
    """Return what people call a folder or a name in it, whether or not anything is there."""
    if is_url(folder):
        return f"{folder}/{name}" if name else folder
    return str(Path(folder, name))


def real_place(text: str) -> str:
    """Return the one text of a folder or picture, whatever links led to it."""
    path, nul, facts = text.partition("\0")
    return text if is_url(path) else f"{os.path.realpath(path)}{nul}{facts}"


def below(text: str, roots: Sequence[Root]) -> str | None:
    """Return a place's path below the first of the roots that it lies in; None if in none.

    Args:
        text: As people may read it, see `without_facts`.
        roots: What sets were opened from. Of a list of tars in braces, the folder of the tars.
    """
    for root in roots:
        base = _before_braces(str(root))
        if is_url(text) or is_url(base):
            if text.startswith(f"{base}/"):
                return text[len(base) + 1 :]
            continue
        for path in (Path(text), Path(text).absolute()):
            if path != Path(base) and path.is_relative_to(base):
                return str(path.relative_to(base))
    return None


def _before_braces(root: str) -> str:
    whole, brace, _ = root.partition("{")
    if not brace or (not is_url(root) and os.path.lexists(root)):
        return root
    return whole.rpartition("/")[0] if "/" in whole else "."
