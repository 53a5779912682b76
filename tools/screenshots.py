"""Take the README's pictures of the web pages with Chromium.

    python tools/screenshots.py --checkpoints checkpoints --run dcgan/1-cpu
    python tools/screenshots.py --site site    # of a folder that `export --to site` has written

Needs Chromium and ChromeDriver (Debian: chromium, chromium-driver) and the `dev` extra. Seeds are
fixed, so that the pictures change only when pages or weights do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

SIZE = (1120, 760)
BLEND = "/blend?a=seed%3D37&b=seed%3D17"
PICTURES_DONE = (
    "return !document.querySelector('[aria-busy=true]') &&"
    " [...document.images].filter((one) => one.getClientRects().length)"
    ".every((one) => one.complete && one.naturalWidth)"
)

STILL = (
    "return document.getAnimations().every((one) => one.playState !== 'running'"
    " || one.effect.getTiming().iterations === Infinity)"
)


@contextmanager
def browser(dark: bool) -> Iterator[webdriver.Chrome]:
    """Start the tests' Chromium, at the size and in the colours of the README."""
    from browser import chromium

    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder) / "profile") as chrome:
        metrics = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield chrome


def show(chrome: webdriver.Chrome, url: str) -> None:
    """Open a page and wait for its pictures."""
    chrome.get(url)
    wait(chrome, lambda one: one.execute_script(PICTURES_DONE))


def wait(chrome: webdriver.Chrome, holds: Callable[[webdriver.Chrome], object]) -> None:
    """Wait for a condition and for the animations that follow it."""
    WebDriverWait(chrome, 60).until(holds)
    WebDriverWait(chrome, 60).until(lambda one: one.execute_script(STILL))


def enlarge(chrome: webdriver.Chrome, url: str) -> None:
    """Upload a small face and wait for the comparison."""
    show(chrome, f"{url}/upscale")
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        with urllib.request.urlopen(f"{url}/api/v1/generate?seed=36&size=32") as face:  # noqa: S310
            file.write(face.read())
        file.flush()
        chrome.find_element(By.ID, "upscale-file").send_keys(file.name)
        button = chrome.find_element(By.CSS_SELECTOR, "[data-go]")
        WebDriverWait(chrome, 20).until(lambda _: button.is_enabled())
        button.click()
        wait(chrome, lambda one: one.find_element(By.CSS_SELECTOR, "[data-result]").is_displayed())
    chrome.find_element(By.XPATH, "//label[span='Pixels']").click()
    chrome.execute_script("scrollTo(0, 0)")
    wait(chrome, lambda one: one.execute_script(PICTURES_DONE))


def show_site(folder: Path, out: Path) -> None:
    """Take the picture of a site without a server, once it is kept by the browser."""
    with browser(dark=False) as chrome:
        from static_host import hosted

        with hosted(folder) as host:
            show(chrome, f"{host.url}/?start=500")
            saved = "return document.querySelector('[data-saved]').textContent !== ''"
            wait(chrome, lambda one: one.execute_script(saved))
            wait(chrome, lambda one: not one.find_elements(By.CSS_SELECTOR, ".wall .pixels"))
            chrome.save_screenshot(str(out / "site.png"))


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--run", default="dcgan/1-cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--site", type=Path, help="take the picture of this folder alone")
    options = parser.parse_args()
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    if options.site:
        show_site(options.site, options.out)
        return
    from running import running

    # Relative, as people start it: the training page shows the path.
    place, name = options.checkpoints.resolve().parent, options.checkpoints.name
    with running(place, "--checkpoints", name) as (_, url):
        with browser(dark=False) as chrome:
            pages = {
                "web_wall": "/?start=100",
                "web_blend": BLEND,
                "web_training": f"/training/{options.run}",
            }
            for name, path in pages.items():
                show(chrome, url + path)
                chrome.save_screenshot(str(options.out / f"{name}.png"))
            enlarge(chrome, url)
            chrome.save_screenshot(str(options.out / "web_upscale.png"))
        with browser(dark=True) as chrome:
            show(chrome, f"{url}/studio?seed=37&hair=pink")
            chrome.save_screenshot(str(options.out / "web_studio.png"))


if __name__ == "__main__":
    main()
