"""How soon somebody who opens the wall sees it: the first row, and all 24 faces, in real Chromium.

Each round opens a wall that nobody has seen, with an empty browser cache, on a server that is warm.
A face counts once it is decoded and the next frame is due. Times run from the start of navigation.

    python benchmarks/web_wall.py --rounds 7 --out outputs/web_wall.json

Needs Chromium, ChromeDriver and the `dev` extra; browser and server are those of the tests.
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

FACES = 24
BARS_S = {"first_row_s": 0.5, "all_faces_s": 1.5}
WATCH = """
globalThis.seenAt = new Map();
document.addEventListener("load", async ({ target }) => {
  if (!(target instanceof HTMLImageElement) || !target.matches(".wall img")) return;
  await target.decode();
  requestAnimationFrame(() => seenAt.set(target, performance.now()));
}, true);
"""
DONE = "return seenAt.size"
TIMES = """
const faces = [...document.querySelectorAll(".wall img")];
const top = faces[0].getBoundingClientRect().top;
return faces.map((face) => [face.getBoundingClientRect().top === top, seenAt.get(face)]);
"""


def one_round(browser: Any, start: int) -> dict[str, float]:
    """Open one wall; gives the seconds until its first row and all of it were seen."""
    browser.command("Network.clearBrowserCache")
    browser.driver.get(f"{browser.url}/?start={start}")
    browser.wait(lambda: browser.js(DONE) == FACES)
    times = browser.js(TIMES)
    row = [seen for in_row, seen in times if in_row]
    return {
        "first_row_s": max(row) / 1000,
        "all_faces_s": max(seen for _, seen in times) / 1000,
        "columns": len(row),
    }


def measure(rounds: int) -> list[dict[str, float]]:
    """Start server and browser, and open as many walls; the first, uncounted, warms the server."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from browser import DESKTOP, Browser, chromium
    from web import served

    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        with chromium(profile) as driver, served(folder) as (_, url):
            browser = Browser(driver, url, Path(folder))
            browser.size(*DESKTOP)
            browser.command("Page.enable")
            browser.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            found = [one_round(browser, 1000 * index) for index in range(rounds + 1)]
    return found[1:]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("outputs/web_wall.json"))
    options = parser.parse_args()
    facts = machine_facts()
    print(machine_line(facts))
    rounds = measure(options.rounds)
    result: dict[str, Any] = {"machine": facts, "rounds": rounds, "bars_s": BARS_S}
    for name, bar in BARS_S.items():
        seconds = [one[name] for one in rounds]
        result[name] = {"median": median(seconds), "max": max(seconds)}
        print(f"{name}: median {median(seconds):.2f}, max {max(seconds):.2f}, bar {bar}")
    atomic_write_json(options.out, result)


if __name__ == "__main__":
    main()
