"""How soon somebody at the page sees what was asked for, in real Chromium.

The wall: each round opens one that nobody has seen, with an empty browser cache, on a server that
is warm; its first row, and all 24 faces. The studio: its slider moves, and the face follows; from
each move to the new face. A face counts once it is decoded and the next frame is due.

    python benchmarks/web_page.py --rounds 7 --out outputs/web_page.json

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
MOVES = 20
BARS_S = {"first_row_s": 0.5, "all_faces_s": 1.5, "preview_s": 0.3}
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
# The slider is given each value and the next once the face is there.
DRAG = """
const [moves, done] = arguments;
const slider = document.querySelector("#truncation");
const portrait = document.querySelector("[data-portrait] img");
const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));
(async () => {
  const seconds = [];
  for (let move = 0; move < moves; move += 1) {
    const loaded = new Promise((resolve) => {
      portrait.addEventListener("load", resolve, { once: true });
    });
    slider.value = String(1 - 0.03 * (move + 1));
    const begun = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await loaded;
    await portrait.decode();
    await nextFrame();
    seconds.push((performance.now() - begun) / 1000);
  }
  done(seconds);
})();
"""


def one_drag(browser: Any, seed: int) -> list[float]:
    """Move a slider of the studio; gives the seconds from each move to its face."""
    browser.driver.get(f"{browser.url}/studio?seed={seed}")
    ready = "return document.querySelector('[data-portrait] img').src.startsWith('data:')"
    browser.wait(lambda: browser.js(ready))
    seconds: list[float] = browser.driver.execute_async_script(DRAG, MOVES)
    return seconds


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
    """Start server and browser; the first round, uncounted, warms the server."""
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
            browser.driver.set_script_timeout(60)
            found = [one_round(browser, 1000 * index) for index in range(rounds + 1)]
            for index, row in enumerate(found):
                row["preview_s"] = median(one_drag(browser, index))
    return found[1:]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("outputs/web_page.json"))
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
