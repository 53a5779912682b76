"""The other pages in Chromium, and what all pages have: theme, keyboard, head and foot."""

import json
import shutil
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.keys import Keys
from test_web_runs import make_run
from web import fetch

from anime_pipeline.core.runs import locked

pytest_plugins = ["browser"]

LINKS = {
    "Faces": "/", "Studio": "/studio", "Favourites": "/favourites", "Blend": "/blend",
    "Upscale": "/upscale", "Training": "/training", "How it works": "/how", "API": "/api",
}  # fmt: skip
OUTLINE = """
const style = getComputedStyle(document.activeElement);
return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
"""
# The focus as it is seen: on hidden radios and files it is painted on what stands beside them.
FOCUS = """
const one = document.activeElement;
const seen = (each) => each && getComputedStyle(each).outlineStyle !== "none"
  && parseFloat(getComputedStyle(each).outlineWidth) >= 2;
const near = [one, ...(one.parentElement?.children ?? []), ...document.querySelectorAll(
  ".dropzone:has(input:focus-visible) .button")];
const words = one.id || one.getAttribute("aria-label") || one.name || one.textContent.trim();
return { name: words || one.outerHTML, tag: one.tagName, seen: near.some(seen) };
"""
AXIS_WORDS_APART = """
const charts = [...document.querySelectorAll("[data-chart]:not([hidden]) .chart-place svg")];
const words = charts.map((svg) => [...svg.querySelectorAll("text[y='220']")]
    .map((one) => one.getBoundingClientRect()).sort((a, b) => a.left - b.left));
return words.every((row) => row.length > 1
  && row.every((box, index) => !index || box.left > row[index - 1].right));
"""
PAPER = "return getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(253, 248, 243)", "rgb(26, 20, 24)"


def tab_to(browser, attribute, value):
    """Press Tab until the focus is where it is wanted."""

    def there():
        browser.press(Keys.TAB)
        return browser.focused(attribute) == value

    browser.wait(there)


def test_the_head_leads_to_every_page(browser):
    browser.open("/how")
    for words, path in LINKS.items():
        link = next(one for one in browser.all(".site-nav a") if one.text == words)
        browser.click(link)
        browser.wait(lambda path=path: urlsplit(browser.driver.current_url).path == path)
        here = browser.seen(".site-nav [aria-current=page]")
        assert here.text == words and browser.seen("h1, .visually-hidden")
    assert "same weights" in browser.text(".site-foot")


def test_training_runs_are_listed_and_opened(browser):
    browser.open("/training")
    cards = browser.all(".run")
    assert [card.find_element("css selector", "h2").text for card in cards] == [
        "dcgan/2-cpu",
        "dcgan/1-cpu",
    ]
    assert "Just begun" in cards[0].text and "Stopped" in cards[1].text
    assert "It knows the training pictures by heart" in cards[1].text
    assert "Every run in checkpoints/" in browser.one(".lead").text
    meter = cards[1].find_element("css selector", "progress")
    assert float(meter.get_property("value")) == 0.9
    browser.click(cards[1].find_element("css selector", "h2 a"))
    browser.wait(lambda: browser.text("h1") == "dcgan/1-cpu")


def test_a_run_is_followed_while_it_trains(browser, checkpoints):
    folder = make_run(checkpoints / "srgan/9-cpu", None, [{"step": 10, "loss_g": 0.5}], (1,))
    try:
        with locked(folder):
            browser.hold_time()
            browser.open("/training")
            card = browser.seen(".run[data-key='srgan/9-cpu']")
            assert "Training" in card.text and "Step 10 of" in card.text
            link = card.find_element("css selector", "h2 a")
            browser.js("arguments[0].focus()", link)
            make_run(checkpoints / "later", None, [{"step": 20}], (2,))
            with (folder / "metrics.jsonl").open("a") as log:
                log.write((checkpoints / "later/metrics.jsonl").read_text())
            shutil.copy(checkpoints / "later/samples/epoch_0002.png", folder / "samples")
            assert browser.time_passes(), "the page looks again by itself"
            browser.says(".run[data-key='srgan/9-cpu']", "Step 20 of")
            assert "srgan/9-cpu" in browser.focused("href"), "the focus stays where it was"
            fresh = browser.one(".run[data-key='srgan/9-cpu'] img").get_attribute("src")
            assert "epoch_0002.png" in fresh
        # Who comes back to the page sees at once how it stands.
        browser.js("document.dispatchEvent(new Event('visibilitychange'))")
        browser.says(".run[data-key='srgan/9-cpu']", "Stopped")
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(checkpoints / "later", ignore_errors=True)


def test_a_run_shows_its_pictures_through_time(browser):
    browser.hold_time(200)
    browser.open("/training/dcgan/1-cpu")
    browser.says("[data-viewer-count]", "3 of 3")
    browser.says("[data-viewer-words]", "After epoch 12")
    browser.one("#viewer-range").send_keys(Keys.HOME)
    browser.says("[data-viewer-words]", "Soon after the start")
    assert "epoch_0000.png" in browser.one("[data-viewer-picture]").get_attribute("src")
    play = browser.one("[data-viewer-play]")
    assert play.get_attribute("aria-pressed") == "false"
    browser.click(play)
    assert play.get_attribute("aria-pressed") == "true"
    for shown in (2, 3):
        browser.wait(browser.time_passes)
        browser.says("[data-viewer-count]", f"{shown} of 3")
    browser.says("[data-viewer-words]", "After epoch 12")
    browser.wait(browser.time_passes)
    browser.wait(lambda: play.get_attribute("aria-pressed") == "false")
    browser.settle()


def test_the_curves_are_read_by_keys_pointer_and_table(browser):
    browser.hold_time()
    browser.open("/training/dcgan/1-cpu")
    browser.wait(lambda: browser.all("[data-chart]:not([hidden]) .line"))
    place = browser.seen("[data-chart-slider]")
    assert "Discriminator loss: 0.0111 at step 90" in place.get_attribute("aria-label")
    place.send_keys(Keys.HOME)
    spoken = place.get_attribute("aria-valuetext")
    assert spoken.startswith("Step 10: Discriminator loss 0.1")
    place.send_keys(Keys.ARROW_RIGHT)
    assert "Step 20: " in place.get_attribute("aria-valuetext")
    browser.actions().move_to_element(place).perform()
    browser.wait(lambda: browser.text(".chart-readout") in ("step 50", "step 60", "step 40"))
    browser.click(".chart-table summary")
    assert browser.js(AXIS_WORDS_APART)
    rows = browser.wait(lambda: browser.all("[data-chart] .chart-table tbody tr"))
    assert [row.text.split()[0] for row in rows[:2]] == ["10", "20"]
    browser.click("details:has(.settings) summary")
    assert "batch_size" in browser.seen(".settings").text
    browser.click("[data-copy-command]")
    browser.says("[data-toasts]", "Command copied")
    assert browser.copied() == browser.text(".command code")


def test_how_it_works_draws_all_of_its_pictures(browser):
    browser.open("/how")
    for picture in browser.all("main img"):
        browser.js("arguments[0].scrollIntoView({block: 'center'})", picture)
        browser.wait(lambda picture=picture: picture.get_property("naturalWidth") > 0)
    browser.click(".strip a")
    browser.seen("[data-studio]")
    browser.wait(lambda: browser.one("[data-picker=hair] [value=black]").is_selected())


def test_the_api_page_is_tried(browser):
    browser.open("/api")
    for link in browser.all(".toc a"):
        assert browser.one(link.get_attribute("href").split("/api")[-1])
    tries = [one.get_attribute("href") for one in browser.all(".operation .button")]
    assert len(tries) >= 4
    assert {fetch(one)[0] for one in tries} == {200}
    browser.click("#models .button")
    browser.wait(lambda: browser.driver.current_url.endswith("/api/v1/models"))
    assert json.loads(browser.text("body"))["models"][0]["weights"]


@pytest.mark.parametrize("path", ["/nothing", "/studio?seed=x", "/training/dcgan/none"])
def test_what_is_not_there_leads_back(browser, path):
    browser.allowed.append("status of 404")
    browser.open(path)
    assert browser.text("h1") == "Nothing here"
    browser.click(".empty .button")
    browser.seen("[data-wall]")


def test_the_theme_follows_the_system_and_a_choice_is_kept(browser):
    browser.open("/upscale")
    assert browser.js(PAPER) == LIGHT
    browser.prefer(prefers_color_scheme="dark")
    assert browser.js(PAPER) == DARK
    switch = browser.one("[data-theme-switch]")
    assert "as the system has them" in switch.get_attribute("aria-label")
    browser.click(switch)
    assert browser.js(PAPER) == LIGHT and "light" in switch.get_attribute("aria-label")
    browser.driver.refresh()
    assert browser.js(PAPER) == LIGHT
    browser.prefer(prefers_color_scheme="light")
    browser.click("[data-theme-switch]")
    browser.open("/how")
    assert browser.js(PAPER) == DARK, "on every page"
    browser.click("[data-theme-switch]")
    assert browser.js(PAPER) == LIGHT


def test_the_first_tab_skips_to_the_page(browser):
    browser.open("/upscale")
    browser.press(Keys.TAB)
    skip = browser.driver.switch_to.active_element
    browser.wait(lambda: skip.rect["y"] > 0)
    assert skip.text == "Skip to the page" and browser.js(OUTLINE)
    browser.press(Keys.ENTER)
    assert browser.focused("id") == "main"


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/?start=500", {"New faces", "hair", "skin", "Keep the face of seed 500", "More faces"}),
        ("/studio?seed=107", {"seed", "truncation", "realism", "spread", "Save PNG", "Copy link"}),
        ("/upscale", {"upscale-file", "upscale-realism"}),
        ("/blend?a=seed%3D14&b=seed%3D61", {"position", "Play", "Swap the faces", "PNG", "GIF"}),
        ("/training/dcgan/1-cpu", {"viewer-range", "Play from the first to the last", "All runs"}),
    ],
)
def test_tab_reaches_the_controls_and_shows_where_it_is(browser, path, names):
    browser.open(path)
    browser.wait(lambda: not browser.all("#position:disabled"))
    reached = {}
    for _ in range(150):
        browser.press(Keys.TAB)
        focus = browser.js(FOCUS)
        if focus["tag"] == "BODY":  # at the end, before the browser's own controls
            break
        reached[focus["name"]] = reached.get(focus["name"], True) and focus["seen"]
    assert [name for name, seen in reached.items() if not seen] == []
    missing = [name for name in names if not any(name in each for each in reached)]
    assert missing == []


def test_the_studio_is_used_by_keys_alone(browser):
    browser.open("/studio?seed=107")
    tab_to(browser, "id", "seed")
    browser.press(Keys.TAB, Keys.ENTER)
    browser.wait(lambda: browser.one("#seed").get_property("value") == "108")
    tab_to(browser, "name", "hair")
    browser.press(Keys.ARROW_RIGHT)
    chosen = browser.focused("value")
    browser.wait(lambda: f"hair={chosen}" in browser.driver.current_url)
    browser.settle()
