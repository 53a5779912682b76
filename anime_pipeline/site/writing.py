"""Writing a site: pages, scripts, networks, the runtime, and what makes it work offline."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from anime_pipeline import __version__
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.files import read_regular
from anime_pipeline.core.storage import atomic_write_bytes, atomic_write_text
from anime_pipeline.images.colour_names import named_colours
from anime_pipeline.inference.spec import SOFTWARE, WEIGHTS, as_hex
from anime_pipeline.site import networks, pages, runtime
from anime_pipeline.web.models.catalogue import Catalogue
from anime_pipeline.web.models.decoders import MAX_RESULT_PIXELS

# Of the served pages' scripts those that only a server can answer.
SERVED_ONLY = frozenset(
    "api.js http.js live.js run.js viewer.js chart.js chart_scale.js api.css how.css "
    "training.css".split()
)
WORKER = "service_worker.js"
DESCRIPTION = "site.json"
MOST_DESCRIPTION_BYTES = 10**6
# Where a host lets a folder say so: threads need the first two, and what is named by its content
# may be kept for ever.
HEADERS = """\
/*
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
  X-Content-Type-Options: nosniff
  Referrer-Policy: same-origin
{forever}"""
FOREVER = "{folder}/*\n  Cache-Control: public, max-age=31536000, immutable\n"
COLOURS = {"background_color": "#fdf8f3", "theme_color": "#fdf8f3"}


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        folder: The site.
        files: Size of each file in bytes, by its path within the site.
        weights: Hash of the weights, as links have it.
        first_visit: Bytes that a visitor loads once, all told, by kind of runtime.
    """

    folder: Path
    files: dict[str, int]
    weights: str
    first_visit: dict[str, int]


def write_site(folder: Path, catalogue: Catalogue, package: Path | None, title: str) -> Written:
    """Write a site; what an earlier call has written there and is no part of it any more goes.

    Args:
        folder: Where to; new, empty or holding a site.
        catalogue: The models that it shall draw with.
        package: onnxruntime-web, as npm unpacks it.
        title: What the site calls itself.

    Raises:
        UsageError: If the package is not given.
        PipelineError: If it is another one.
    """
    dist = runtime.find(package)
    scripts = _scripts()
    static = f"static/{_digest(scripts)}"
    engine = f"runtime/{runtime.VERSION}"
    for name in (static, engine, "networks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, content in scripts.items():
        atomic_write_bytes(folder / static / name, content)
    found = networks.Networks.of(catalogue)
    document: dict[str, Any] = {
        "runtime": runtime.copy(dist, folder / engine),
        **networks.write(found, folder / "networks"),
        "colours": {
            part: {name: as_hex(rgb) for name, rgb in named_colours(part).items()}
            for part in ("hair", "skin")
        },
        "most_pixels": MAX_RESULT_PIXELS,
        "texts": {"software": SOFTWARE["Software"], "weights": WEIGHTS},
    }
    rendered = pages.render(catalogue, found, title, static)
    rendered["manifest.webmanifest"] = _manifest(title, static)
    rendered[DESCRIPTION] = networks.as_json(document)
    for name, text in rendered.items():
        atomic_write_text(folder / name, text)
    small = [*rendered, *(f"{static}/{name}" for name in scripts)]
    large = [
        *(name.removesuffix(runtime.PACKED) for name in _names(document)),
        *(f"{engine}/{path.name}" for path in (folder / engine).glob("*.js")),
    ]
    atomic_write_text(folder / WORKER, _service_worker(folder, small, large))
    forever = "".join(FOREVER.format(folder=f"/{each}") for each in (static, engine, "networks"))
    atomic_write_text(folder / "_headers", HEADERS.format(forever=forever))
    atomic_write_text(folder / ".nojekyll", "")  # or GitHub leaves out what begins with "_"
    _sweep(folder, keep={static, engine, *_names(document)})
    sizes = {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return Written(folder, sizes, document["weights"], _first_visit(sizes, document, small))


def refuse_other(folder: Path, weights: str) -> None:
    """Refuse to write over anything but a site of the same weights.

    Raises:
        UsageError: If something else is there.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        found = json.loads(read_regular(folder / DESCRIPTION, MOST_DESCRIPTION_BYTES))["weights"]
    except (OSError, ValueError, KeyError, TypeError):
        found = ""
    if found != weights:
        held = "a site of other weights" if found else "other files"
        raise UsageError(f"{folder} holds {held}. Choose another --out, or pass --overwrite.")


def _names(document: Any) -> Iterator[str]:
    """Yield every file that a description names."""
    if isinstance(document, dict):
        if isinstance(document.get("file"), str):
            yield document["file"]
        for value in document.values():
            yield from _names(value)


def _sweep(folder: Path, keep: set[str]) -> None:
    """Delete what an earlier version of the site consisted of."""
    for path in (*folder.glob("static/*"), *folder.glob("runtime/*"), *folder.glob("networks/*")):
        if str(path.relative_to(folder)) in keep or path.is_symlink():
            continue
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix in (".bin", ".onnx"):
            path.unlink()


def _scripts() -> dict[str, bytes]:
    """Return styles and scripts by name: those of the server's pages, and the local back end."""
    found = {}
    for package in ("anime_pipeline.web", "anime_pipeline.site"):
        for file in (resources.files(package) / "static").iterdir():
            if file.name not in SERVED_ONLY and file.name != WORKER:
                found[file.name] = file.read_bytes()
    return dict(sorted(found.items()))


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(name.encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def _manifest(title: str, static: str) -> str:
    icon = {"src": f"{static}/favicon.svg", "sizes": "any", "type": "image/svg+xml"}
    document = {"name": title, "short_name": title, "start_url": "./", "scope": "./"}
    return json.dumps(document | {"display": "standalone", "icons": [icon]} | COLOURS)


def _service_worker(folder: Path, small: list[str], large: list[str]) -> str:
    """Return the service worker; it is another one whenever a page or script is."""
    contents = {name: (folder / name).read_bytes() for name in small}
    source = (resources.files("anime_pipeline.site") / "static" / WORKER).read_text("utf-8")
    facts = {
        "version": f"{__version__}-{_digest(contents)}",
        "files": small,
        "large": sorted(large),
    }
    return f"const SITE = {json.dumps(facts)};\n{source}"


def _first_visit(
    sizes: dict[str, int], document: dict[str, Any], small: list[str]
) -> dict[str, int]:
    """Return what is loaded before a site works offline, as stored: not compressed any further."""
    shared = sum(sizes[name] for name in (*small, WORKER))
    shared += sum(size for name, size in sizes.items() if name.startswith("networks/"))
    engines = document["runtime"]
    return {
        kind: shared + sum(sizes[files[name]] for name in ("module", "threads"))
        + files["program"]["bytes"]
        for kind, files in engines.items()
    }  # fmt: skip
