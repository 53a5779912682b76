"""What all reports share: files, tables, templates, embedded pictures, care for what is there."""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.files import MAX_LIST_BYTES, read_regular
from anime_pipeline.core.storage import atomic_write_json, atomic_write_text
from anime_pipeline.images.codec import encode_png


def render_page(template: str, **values: Any) -> str:
    """Fill in a template of this package; values are escaped."""
    environment = Environment(
        loader=PackageLoader("anime_pipeline.reports"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def data_uri(png: bytes) -> str:
    """Return a PNG as text that stands for it inside a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def image_uri(image: np.ndarray) -> str:
    """Return a picture uint8 [H, W, 3] as text that stands for it inside a page."""
    return data_uri(encode_png(image))


KINDS = ("html", "json", "csv", "md")
# What only measuring finds out, and newer software may measure the same again.
FOUND_LATER = ("software", "copies", "eyes", "length of hair", "attributes", "wishes")


def write_files(
    out: Path, stem: str, html: str, document: Mapping[str, Any], rows: pd.DataFrame, markdown: str
) -> dict[str, Path]:
    """Write a report as `STEM.html`, `.json`, `.csv` and `.md` into `out`; returns the paths."""
    paths = {kind: out / f"{stem}.{kind}" for kind in KINDS}
    atomic_write_text(paths["html"], html)
    atomic_write_json(paths["json"], document)
    atomic_write_text(paths["csv"], rows.to_csv(index=False))
    atomic_write_text(paths["md"], markdown)
    return paths


def refuse_other_report(out: Path, stem: str, facts: Mapping[str, object]) -> None:
    """Refuse to write over the report of other pictures, weights or protocols.

    Args:
        out: The report's folder.
        stem: Its files' name without ending; the one ending in .json holds the facts.
        facts: What the new report is of.

    Raises:
        UsageError: If such a report is in `out`, or one that cannot be read.
    """
    path = out / f"{stem}.json"
    if not any(os.path.lexists(path.with_suffix(f".{kind}")) for kind in KINDS):
        return
    try:
        earlier = dict(json.loads(read_regular(path, MAX_LIST_BYTES))["facts"])
    except (OSError, ValueError, KeyError, TypeError):
        earlier = {}
    known = [key for key in {**earlier, **facts} if key not in FOUND_LATER]
    differ = [key for key in known if earlier.get(key) != facts.get(key)]
    if differ:
        raise UsageError(
            f"{path} and the files beside it are a report of something else "
            f"({', '.join(differ)} differ). Choose another --out, or pass --overwrite."
        )
