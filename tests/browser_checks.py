"""What every page must fulfil, whatever is on it: accessibility, a layout that stays, no overflow.

axe-core judges accessibility (WCAG 2.2 A and AA, and its best practices); the rest is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_core_python.base import AXE_SCRIPT

if TYPE_CHECKING:  # pytest itself must be the first to import it, as a plugin
    from browser import Browser

RUN_AXE = """
return axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations.flatMap(
  (rule) => rule.nodes.map((node) => `${rule.id}: ${node.target} ${node.failureSummary}`)));
"""
# Colours that are on their way from one theme to the other have no contrast worth measuring.
STILL = """
return document.getAnimations().every((one) => one.playState !== "running"
  || one.effect.getTiming().iterations === Infinity);
"""
SHIFTS = """
return new Promise((done) => {
  const found = [];
  new PerformanceObserver((list) => found.push(...list.getEntries()))
    .observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(found
    .filter((one) => !one.hadRecentInput)
    .map((one) => [one.value, ...one.sources.map(
      ({ node }) => (node?.outerHTML ?? node?.textContent)?.slice(0, 120))])))));
});
"""
STRUCTURE = """
const all = (selector) => [...document.querySelectorAll(selector)];
const ids = all("[id]").map((one) => one.id);
return {
  lang: document.documentElement.lang, h1: all("h1").length, main: all("main").length,
  twice: ids.filter((one, index) => ids.indexOf(one) !== index),
  undescribed: all("img:not([alt])").map((one) => one.outerHTML),
  untitled: document.title ? [] : ["title"],
};
"""
SOUND = {"lang": "en", "h1": 1, "main": 1, "twice": [], "undescribed": [], "untitled": []}
TOO_WIDE = """
const width = arguments[0];
if (document.documentElement.scrollWidth <= width) return [];
return [...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > width)
  .map((one) => one.outerHTML.slice(0, 120));
"""


def accessibility(browser: Browser) -> list[str]:
    """Return what axe-core finds wrong in what is shown now."""
    browser.wait(lambda: browser.js(STILL))
    browser.js(AXE_SCRIPT)
    return browser.js(RUN_AXE)


def layout_shifts(browser: Browser) -> list:
    """Return what moved since the page was opened without anybody touching it, if it is much."""
    shifts = browser.js(SHIFTS)
    return shifts if sum(shift[0] for shift in shifts) >= 0.01 else []


def structure(browser: Browser) -> dict:
    """Return what should equal `SOUND`."""
    return browser.js(STRUCTURE)


def too_wide(browser: Browser, width: int) -> list[str]:
    """Return the elements that make a page wider than its window."""
    return browser.js(TOO_WIDE, width)
