"""How soon faces are seen on a site without a server, beside the served page, in real Chromium.

Each round: a first visit with nothing kept; a second with everything kept, on threads; a fourth,
for which the browser has compiled the runtime; a later one on one thread; and the served page. All
show 24 faces that nobody has seen, but for one visit that opens the last wall again. A face counts
once it is decoded and the next frame is due: the first however small, all of them at 128 px.

    npm pack onnxruntime-web@1.30.0 && tar xzf onnxruntime-web-1.30.0.tgz
    python benchmarks/static_site.py --runtime package --rounds 3 --out outputs/static_site.json

Needs Chromium, ChromeDriver and the `dev` extra; browser, host and server are those of the tests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import machine_facts, machine_line

from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.site.writing import write_site
from anime_pipeline.web.models.catalogue import Catalogue

FACES = 24
PROFILE = "profile"
# By figure: its limit, and what it is a multiple of.
BARS: dict[str, tuple[float, str]] = {
    "first_face_cold_s": (2.5, ""),
    "first_face_kept_s": (0.8, ""),
    "first_face_fourth_visit_s": (0.8, ""),
    "first_face_again_s": (0.8, ""),
    "all_threads_s": (3.0, "all_served_s"),
    "all_one_thread_s": (10.0, "all_served_s"),
}
WATCH = """
globalThis.first = null;
globalThis.seenAt = new Map();
document.addEventListener("load", async ({ target }) => {
  if (!(target instanceof HTMLImageElement) || !target.matches(".wall img")) return;
  await target.decode().catch(() => undefined); // it shows the next one already
  requestAnimationFrame(() => {
    first ??= performance.now();
    if (target.naturalWidth === 128) seenAt.set(target, performance.now());
  });
}, true);
"""
DONE = "return seenAt.size"
TIMES = "return [first / 1000, Math.max(...seenAt.values()) / 1000, crossOriginIsolated]"
SAVED = "return document.querySelector('[data-saved]').textContent !== ''"


def visit(browser: Any, url: str, start: int) -> tuple[float, float, bool]:
    """Open a wall; gives the seconds to its first face and to all, and whether it had threads."""
    browser.driver.get(f"{url}/?start={start}")
    browser.wait(lambda: browser.js(DONE) == FACES)
    first, last, threads = browser.js(TIMES)
    return first, last, threads


def forget(browser: Any, origin: str, kinds: str) -> None:
    """Have the browser forget what it keeps of a host."""
    browser.driver.get("about:blank")
    browser.command("Storage.clearDataForOrigin", origin=origin, storageTypes=kinds)


def one_round(browser: Any, host: Any, served_url: str, start: int) -> dict[str, float]:
    """Visit both kinds of page in every state."""
    site = f"{host.url}/faces"
    forget(browser, host.url, "all")
    browser.command("Network.clearBrowserCache")
    host.sent.clear()
    cold, _, _ = visit(browser, site, start)
    browser.wait(lambda: browser.js(SAVED))
    loaded = sum(host.sent.values())
    kept, threads_s, threads = visit(browser, site, start + 100)
    visit(browser, site, start + 130)
    fourth, _, _ = visit(browser, site, start + 160)
    again, all_again, _ = visit(browser, site, start + 160)
    forget(browser, host.url, "service_workers")
    _, one_thread_s, still = visit(browser, site, start + 200)
    if not threads or still:
        raise SystemExit("The browser gave threads to the wrong visit.")
    _, served_s, _ = visit(browser, served_url, start + 300)
    return {
        "first_face_cold_s": cold,
        "first_face_kept_s": kept,
        "first_face_fourth_visit_s": fourth,
        "first_face_again_s": again,
        "all_again_s": all_again,
        "all_threads_s": threads_s,
        "all_one_thread_s": one_thread_s,
        "all_served_s": served_s,
        "first_visit_mb": loaded / 1e6,
    }


def measure(package: Path, rounds: int) -> list[dict[str, float]]:
    """Start host, server and browser; the first round, uncounted, warms the server."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from browser import DESKTOP, Browser, chromium
    from static_host import hosted
    from web import served

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalogue = Catalogue("dcgan", "", folder / "checkpoints")
        write_site(folder / "host/faces", catalogue, package, "Anime faces")
        with (
            hosted(folder / "host") as host,
            served(folder) as (_, url),
            chromium(folder / PROFILE) as driver,
        ):
            browser = Browser(driver, url, folder)
            browser.size(*DESKTOP)
            browser.command("Page.enable")
            browser.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            return [one_round(browser, host, url, 1000 * i) for i in range(rounds + 1)][1:]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("outputs/static_site.json"))
    options = parser.parse_args()
    facts = machine_facts()
    print(machine_line(facts))
    rounds = measure(options.runtime, options.rounds)
    result: dict[str, Any] = {"machine": facts, "rounds": rounds, "bars": BARS}
    for name in rounds[0]:
        values = [each[name] for each in rounds]
        result[name] = {"median": median(values), "max": max(values)}
        most, of = BARS.get(name, (None, ""))
        bar = f", bar {most:g}{f' x {of}' if of else ''}" if most else ""
        times = f" ({median(values) / median(each[of] for each in rounds):.1f} x)" if of else ""
        print(f"{name}: median {median(values):.2f}{times}, max {max(values):.2f}{bar}")
    atomic_write_json(options.out, result)


if __name__ == "__main__":
    main()
