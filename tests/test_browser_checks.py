"""Every page in both themes, on a desk and on a phone: accessible, still, and not too wide."""

import json
import re

import pytest
from browser_checks import SOUND, accessibility, layout_shifts, structure, too_wide
from web import picture_bytes

from anime_pipeline.web.serving.static_files import STATIC

pytest_plugins = ["browser"]

PAGES = {
    "wall": "/?start=500",
    "studio": "/studio?seed=107&hair=%233366cc",
    "favourites": "/favourites",
    "blend": "/blend?a=seed%3D14&b=seed%3D61%26hair%3Dblue",
    "upscale": "/upscale",
    "training": "/training",
    "run": "/training/dcgan/1-cpu",
    "how": "/how",
    "api": "/api",
    "error": "/nothing",
}
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
KEPT = json.dumps(["seed=3", "seed=14&hair=pink", "seed=61"])


FAULTS = """
const main = document.querySelector("main");
main.insertAdjacentHTML("afterbegin", `<h1 id="main">Two</h1><img><button></button><input>
  <p id="pale">Pale words</p><p id="tall">Pushes what is below</p>`);
document.querySelector("#pale").style.color = "#bbb";
Object.assign(document.querySelector("#tall").style,
  { width: "2000px", maxWidth: "none", height: "300px" });
document.querySelector("h1 + img").setAttribute("style", "color: red");
"""


def inaccessible(browser):
    """Return what axe-core finds wrong in either theme."""
    found = []
    for theme in THEMES:
        browser.prefer(prefers_color_scheme=theme)
        found += [f"{theme}: {fault}" for fault in accessibility(browser)]
    return found


def done(browser, page):
    """Wait until what scripts bring is there; read a long page to its end, and come back."""
    for selector in ("[data-favourites]:empty", "[data-chart-place].shimmer", "#position:disabled"):
        browser.gone(selector)
    browser.settle()
    for screen in range(1, 12 if page == "how" else 0):
        browser.js("scrollTo(0, arguments[0] * innerHeight)", screen)
        browser.settle()
    browser.js("scrollTo(0, 0)")


WITHOUT = """
const ends = () => [...document.querySelectorAll(".blend-end")].map((one) => {
  const { left, top } = one.getBoundingClientRect();
  return [left, top];
});
const whole = ends();
document.querySelector(".blend-middle").remove();
return [whole, ends()];
"""


@pytest.mark.parametrize("size", SIZES)
def test_the_ends_of_a_blend_stand_where_they_stay_before_the_rest_has_arrived(browser, size):
    browser.size(*SIZES[size])
    browser.open(PAGES["blend"])
    done(browser, "blend")
    whole, partial = browser.js(WITHOUT)
    assert len(whole) == 2
    assert partial == whole


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", PAGES)
def test_page(browser, page, size):
    browser.allowed.append("status of 404")
    browser.size(*SIZES[size])
    browser.open("/healthz")
    browser.js("localStorage.setItem('ap.favourites', arguments[0])", KEPT)
    browser.js("localStorage.setItem('ap.history', arguments[0])", KEPT)
    browser.open(PAGES[page])
    done(browser, page)
    assert layout_shifts(browser) == []
    assert too_wide(browser, SIZES[size][0]) == []
    assert structure(browser) == SOUND
    assert inaccessible(browser) == []


def test_what_opens_on_a_page(browser):
    browser.hold_time()
    browser.open(PAGES["blend"])
    done(browser, "blend")
    browser.click("[data-end=a] .face-pick")
    browser.wait(lambda: len(browser.all("dialog[open] img")) >= 6)
    browser.settle()
    assert inaccessible(browser) == []
    browser.open(PAGES["wall"])
    browser.click(".heart")
    browser.click(".heart")
    browser.seen(".toast button")
    assert inaccessible(browser) == []
    for page in ("api", "run"):
        browser.open(PAGES[page])
        done(browser, page)
        browser.js("for (const one of document.querySelectorAll('details')) one.open = true")
        assert inaccessible(browser) == []


@pytest.mark.parametrize("size", SIZES)
def test_the_comparison_and_the_refusal_of_a_picture(browser, size):
    browser.size(*SIZES[size])
    browser.open("/upscale")
    for name, content in (("small.png", picture_bytes(24, 24)), ("notes.txt", b"notes")):
        (browser.downloads / name).write_bytes(content)
    browser.one("#upscale-file").send_keys(str(browser.downloads / "notes.txt"))
    browser.seen("[data-fault]")
    assert inaccessible(browser) == []
    browser.one("#upscale-file").send_keys(str(browser.downloads / "small.png"))
    browser.wait(lambda: browser.one("[data-go]").is_enabled())
    browser.click("[data-go]")
    browser.seen("[data-result]")
    browser.settle()
    assert too_wide(browser, SIZES[size][0]) == []
    assert inaccessible(browser) == []


def test_the_checks_find_what_they_look_for(browser):
    browser.open("/training")
    browser.js(FAULTS)
    assert structure(browser) == SOUND | {
        "h1": 2,
        "twice": ["main"],
        "undescribed": ['<img style="color: red">'],
    }
    assert too_wide(browser, 1280) != []
    browser.wait(lambda: layout_shifts(browser))
    found = " ".join(accessibility(browser))
    for rule in ("color-contrast", "button-name", "image-alt", "label"):
        assert f"{rule}: " in found
    assert any("Content Security Policy" in words for words in browser.complaints())


def test_one_module_alone_asks_the_server():
    asks = re.compile(r"\bfetch\(|XMLHttpRequest|/api/|http\.js")
    asking = {
        file.name for file in STATIC.glob("*.js") if asks.search(file.read_text(encoding="utf-8"))
    }
    assert asking == {"api.js", "backend.js", "http.js"}, "pages import backend.js"
