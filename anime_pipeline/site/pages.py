"""The server's own pages, written once as files that any static host can serve."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader

from anime_pipeline import __version__
from anime_pipeline.inference.spec import palettes
from anime_pipeline.site.networks import Networks
from anime_pipeline.web.api.requests import GenerateQuery
from anime_pipeline.web.models.catalogue import Catalogue
from anime_pipeline.web.pages.views import WALL, upscaling

PAGES = ("wall", "studio", "favourites", "blend", "upscale")
# As the server's, for a page that may be anybody's folder. Programs are compiled, which has a name.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; "
    "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'"
)


def address(page: str) -> str:
    """Return the address of a page beside the others; ``*`` stands for any page's name."""
    return "./" if page == "wall" else f"{page}.html"


def file_name(page: str) -> str:
    """Return the file that a page is written to."""
    return "index.html" if page == "wall" else f"{page}.html"


def render(catalogue: Catalogue, networks: Networks, title: str, scripts: str) -> dict[str, str]:
    """Return each page as HTML, by file name.

    Args:
        catalogue: The models that the site draws with.
        networks: What of them a browser can mix.
        title: What the site calls itself.
        scripts: Folder of styles and scripts, relative to the site.
    """
    environment = Environment(loader=PackageLoader("anime_pipeline.web"), autoescape=True)
    environment.globals |= {
        "version": __version__,
        "address": address,
        "asset": lambda name: f"{scripts}/{name}",
        "site": {"title": title, "pages": PAGES, "policy": POLICY},
    }
    generator = catalogue.generator()
    shared: dict[str, Any] = {
        "weights": networks.weights_hash,
        "attributes": generator.attributes,
        "colours": palettes(),
        # Places for as many as scripts will show, so that nothing moves when they do.
        "faces": WALL * [{"seed": "", "url": "", "studio": address("studio")}],
        "start": "",
        "next_start": 0,
        "look": {},
        "face": GenerateQuery(seed=0).model_dump(exclude={"count", "weights", "size"}),
        "image_url": "",
        "models": [catalogue.default],
        "meant": "",
        **upscaling(catalogue),
        "denoise_available": networks.denoise is not None,
    }
    found = {}
    for page in PAGES:
        first, last = networks.pictures if page == "upscale" else networks.drawn
        template = environment.get_template(f"{page}.html")
        found[file_name(page)] = template.render(shared, realism_available=first != last, page=page)
    return found
