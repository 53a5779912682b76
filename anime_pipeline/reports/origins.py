"""Words, JSON values and examples for what `data.origins` finds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anime_pipeline.data.origins import (
    APART_COUNT,
    APART_SHARE,
    Family,
    Origins,
    are_few,
    standing_apart,
)
from anime_pipeline.data.sources.places import without_facts
from anime_pipeline.data.store import Store
from anime_pipeline.images.rows import Pictures
from anime_pipeline.images.writing.grid import captioned_rows, spread

SHOWN = 5  # families named one by one; the rest are counted
EXAMPLES = 10  # pictures a line, and of a family; of one that differs, two lines


def share_words(part: int, whole: int) -> str:
    """Return a share in whole per cent, and never 0% of something nor 100% of less than all."""
    if 0 < part < whole:
        percent = 100 * part / whole
        return "<1%" if percent < 1 else f"{min(round(percent), 99)}%"
    return f"{100 * part // max(whole, 1)}%"


def family_words(families: Sequence[Family], what_others: str) -> str:
    """Name the largest families with their counts and shares, and count the others."""
    total = sum(len(family.members) for family in families)
    if len(families) == 1:
        return f"{families[0].what}: all"
    return "; ".join(_counted(family, total) for family in _shown(families, what_others))


def _shown(families: Sequence[Family], what_others: str) -> list[Family]:
    """Return the few families that are named, none of them tiny, and the others as one."""
    total = sum(len(family.members) for family in families)
    count = sum(len(family.members) >= APART_SHARE * total for family in families[:SHOWN])
    # To name a single other takes no more room than to count it.
    count = len(families) if len(families) <= count + 1 else max(count, 1)
    if not (others := families[count:]):
        return list(families)
    members = np.sort(np.concatenate([family.members for family in others]))
    return [*families[:count], Family(f"{len(others)} other {what_others}", members)]


def warnings(origins: Origins, pictures: int) -> list[str]:
    """Return a sentence for each part of a set that differs in origin, then what to do about it."""
    texts = [
        f"{len(family.members)} of {pictures} pictures "
        f"({share_words(len(family.members), pictures)}) differ from the rest by their files: "
        f"{family.what}."
        for family in origins.apart
    ]
    if texts:
        texts.append(
            "What differs so may come from another source. Look at it on the origin sheet: if it "
            "is drawn by a machine, enlarged or otherwise worse, leave it out, for a network draws "
            "like all that it learns from; else train on it knowingly. --json lists the files."
        )
    mirrored = len(origins.mirrored_rows)
    if mirrored >= max(APART_COUNT, APART_SHARE * pictures):
        texts.append(
            f"{mirrored} of {pictures} pictures ({share_words(mirrored, pictures)}) have a "
            "mirrored copy in the set. Leave one of each pair out: training mirrors pictures by "
            "itself, and such copies often come with machine-made sets. --json lists them."
        )
    return texts


def facts(origins: Origins, store: Store) -> dict[str, Any]:
    """Return what is known of a set's origins, as JSON values."""
    names = list(map(without_facts, store.records.places()))
    total = len(names)

    def family_facts(family: Family) -> dict[str, Any]:
        known: dict[str, Any] = {
            "what": family.what,
            "count": len(family.members),
            "share": round(len(family.members) / total, 4),
            "examples": [names[row] for row in spread(family.members, EXAMPLES)],
        }
        if family.coding and family.coding.tables:
            known["luminance_table_sum"] = sum(family.coding.tables[0])
        return known

    return {
        "saved_as": [family_facts(family) for family in origins.codings],
        "sizes": [family_facts(family) for family in origins.sizes],
        "apart": [
            family_facts(family) | {"files": [names[row] for row in family.members]}
            for family in origins.apart
        ],
        "mirrored": [[names[left], names[right]] for left, right in origins.mirrored],
        "unread": [vars(item) for item in origins.unread],
        "warnings": warnings(origins, total),
    }


def rows(origins: Origins, pictures: int) -> list[tuple[str, str]]:
    """Return names and texts for the terminal, `warnings` apart."""
    found = [("Saved as", family_words(origins.codings, "ways"))] if origins.codings else []
    # Whether all have one size is known already, and that hardly two have one says nothing.
    if len(origins.sizes) > 1 and are_few(origins.sizes):
        found.append(("Commonest sizes", family_words(origins.sizes, "sizes")))
    count = len(origins.mirrored_rows)
    text = f"{count} pictures ({share_words(count, pictures)}) in {len(origins.mirrored)} pairs"
    found.append(("Mirrored copies", text if count else "none"))
    if origins.unread:
        first = origins.unread[0]
        text = f"{len(origins.unread)} file(s), as {first.path}: {first.reason}"
        found.append(("Origin unknown", text))
    return found


def draw(origins: Origins, images: Pictures) -> np.ndarray | None:
    """Draw examples of each family, what differs from the rest first.

    Args:
        origins: What was found.
        images: uint8 [N, S, S, 3], the pictures of the store.

    Returns:
        uint8 [H, W, 3]; None where all files are alike and nothing is mirrored.
    """
    lines: list[tuple[str, np.ndarray]] = []

    def add(caption: str, family_rows: np.ndarray) -> None:
        for start in range(0, len(family_rows), EXAMPLES):
            lines.append(("" if start else caption, family_rows[start : start + EXAMPLES]))

    for family in origins.apart:
        words = f"Differs from the rest: {_counted(family, len(images))}"
        add(words, spread(family.members, 2 * EXAMPLES))
    drawn = {family.members.tobytes() for family in origins.apart}
    ways = origins.codings if len(origins.codings) > 1 else []
    sizes = origins.sizes if standing_apart(origins.sizes) else []
    for families, what in ((ways, "ways"), (sizes, "sizes")):
        for family in _shown(families, what):
            if family.members.tobytes() not in drawn:
                add(_counted(family, len(images)), spread(family.members, EXAMPLES))
    if origins.mirrored:
        pairs = spread(np.array(origins.mirrored), EXAMPLES)
        count = len(origins.mirrored)
        add(f"Mirrored copies, pair by pair: {count} pair{'s'[: count > 1]}", pairs.reshape(-1))
    if not lines:
        return None
    return captioned_rows([(caption, images[some]) for caption, some in lines])


def _counted(family: Family, pictures: int) -> str:
    count = len(family.members)
    return f"{family.what}: {count} ({share_words(count, pictures)})"
