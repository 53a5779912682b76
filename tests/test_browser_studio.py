"""The studio in Chromium: every control of it changes the face, and a link brings it back."""

import io
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys
from test_web_runs import make_run
from web import fetch, served

from anime_pipeline.models.zoo import find_weights

pytest_plugins = ["browser", "ort_web"]
BACK_ENDS = ("api", "local")

PORTRAIT = "[data-portrait] img"
HAIR = "[data-picker=hair]"
REFUSE_ONCE = """
const real = window.fetch;
window.fetch = async (...request) => {
  window.fetch = real;
  return new Response("{}", { status: 503, headers: { "Retry-After": "5" } });
};
"""
# What a browser does while somebody drags in its own window for colours.
DRAG_COLOUR = """
const [field, colour] = arguments;
field.value = colour;
field.dispatchEvent(new Event("input", { bubbles: true }));
"""


def shown(browser):
    """Return the face that is shown, as its address says."""
    return browser.one(PORTRAIT).get_attribute("src")


def changed(browser, act):
    """Do something, and wait until another picture is shown and nothing is on its way."""
    before = shown(browser)
    act()
    browser.wait(lambda: shown(browser) not in (before, ""))
    browser.wait(lambda: browser.one("[data-portrait]").get_attribute("aria-busy") == "false")
    return shown(browser)


def studio(browser, query="seed=107"):
    """Open the studio and wait until the script has drawn the face itself."""
    browser.open(f"/studio?{query}")
    browser.wait(lambda: shown(browser).startswith("data:"))
    browser.wait(lambda: browser.one("[data-portrait]").get_attribute("aria-busy") == "false")
    return shown(browser)


def address(browser, **values):
    """Wait until the page's address says these."""

    def says():
        found = parse_qs(urlsplit(browser.driver.current_url).query)
        return all(found.get(name, [""])[0] == value for name, value in values.items())

    browser.wait(says)


def seed(browser):
    return browser.one("#seed").get_property("value")


def test_the_seed_by_hand_by_steps_and_by_dice(browser):
    browser.hold_time()
    first = studio(browser)
    changed(browser, lambda: browser.click("[data-step='1']"))
    address(browser, seed="108")
    assert seed(browser) == "108" and "Face 108" in browser.driver.title
    assert changed(browser, lambda: browser.click("[data-step='-1']")) == first
    field = browser.one("#seed")
    field.send_keys(Keys.CONTROL, "a")
    changed(browser, lambda: field.send_keys("9"))
    assert browser.time_passes(), "who types may go on for a while"
    address(browser, seed="9")
    changed(browser, lambda: browser.click("[data-dice]"))
    assert seed(browser) != "9" and seed(browser).isdecimal()


def test_a_seed_that_is_none_is_marked_and_explained(browser):
    browser.hold_time()
    studio(browser)
    browser.one("#seed").send_keys("x", Keys.ENTER)
    assert browser.one("#seed").get_attribute("aria-invalid") == "true"
    browser.says("[data-seed-hint]", "whole number from 0 to 9223372036854775807")
    assert browser.js("return document.querySelector('[data-controls]').noValidate")
    changed(browser, lambda: browser.press(Keys.BACKSPACE, "1"))
    assert browser.one("#seed").get_attribute("aria-invalid") is None
    browser.says("[data-seed-hint]", "The same seed is always the same face")
    browser.press(Keys.CONTROL + "a" + Keys.NULL, "9" * 19)
    browser.says("[data-seed-hint]", "still that of seed 107")
    browser.wait(lambda: "seed=107&" in browser.one("[data-download]").get_attribute("href"))
    changed(browser, lambda: browser.click("[data-step='1']"))
    assert seed(browser) == "108" and not browser.one("#seed").get_attribute("aria-invalid")
    browser.says("[data-seed-hint]", "The same seed is always the same face")


def test_a_seed_that_is_typed_is_one_step(browser):
    browser.hold_time()
    first = studio(browser)
    field = browser.one("#seed")
    field.send_keys(Keys.CONTROL, "a")
    for digit in "2468":
        changed(browser, lambda digit=digit: browser.press(digit))
    browser.press(Keys.ENTER)
    address(browser, seed="2468")
    assert len(browser.all("[data-recent-strip] a")) == 2
    assert changed(browser, lambda: browser.click("[data-undo]")) == first


def test_undo_and_redo_by_button_and_keys(browser):
    first = studio(browser)
    assert not browser.one("[data-undo]").is_enabled()
    second = changed(browser, lambda: browser.click("[data-step='1']"))
    assert changed(browser, lambda: browser.click("[data-undo]")) == first
    assert changed(browser, lambda: browser.click("[data-redo]")) == second
    browser.js("document.activeElement.blur()")
    keys = browser.actions().key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL)
    assert changed(browser, keys.perform) == first


def test_hair_and_skin_by_their_names(browser):
    first = studio(browser)
    changed(browser, lambda: browser.click(f"{HAIR} [title=Pink]"))
    assert browser.text(f"{HAIR} [data-choice-words]") == "pink"
    changed(browser, lambda: browser.click("[data-picker=skin] [title=Brown]"))
    address(browser, hair="pink", skin="brown")
    assert "pink hair and brown skin" in browser.one(PORTRAIT).get_attribute("alt")
    browser.wait(lambda: "pink hair" in browser.text("[data-status]"))
    assert changed(browser, lambda: browser.click("[data-reset]")) == first


def test_hair_of_a_colour_of_ones_own(browser):
    first = studio(browser)
    own = browser.one(f"{HAIR} input[type=color]")
    words = f"{HAIR} [data-choice-words]"
    drawn = own.get_property("value")
    assert drawn != "#000000", "the search begins at what the face shows"
    assert "As the seed draws it: " in browser.text(words)
    changed(browser, lambda: browser.js(DRAG_COLOUR, own, "#3366cc"))
    address(browser, hair="#3366cc")
    assert browser.text(words) == "Your own, #3366cc"
    assert not browser.all(f"{HAIR} input[type=radio]:checked")
    changed(browser, lambda: browser.click(f"{HAIR} [title=Pink]"))
    assert browser.text(words) == "pink"
    changed(browser, lambda: browser.click("[data-undo]"))
    assert browser.text(words) == "Your own, #3366cc" and own.get_property("value") == "#3366cc"
    assert changed(browser, lambda: browser.click("[data-undo]")) == first
    assert own.get_property("value") == drawn


@pytest.mark.parametrize("name", ["truncation", "realism"])
def test_a_slider_redraws_while_it_is_dragged(browser, name):
    studio(browser)
    slider = browser.one(f"#{name}")
    browser.js("arguments[0].scrollIntoView({block: 'center'})", slider)
    browser.mouse("press", slider)
    for share in (0.3, 0.1):
        changed(browser, lambda share=share: browser.mouse("move", slider, share))
    browser.mouse("release", slider, 0.1)
    value = slider.get_property("value")
    assert browser.text(f"[data-output={name}]") == f"{float(value) * 100:.0f} %"
    address(browser, **{name: value})


def test_neighbours_and_how_far_they_are(browser):
    first = studio(browser, "seed=107&hair=pink")
    strip = "[data-neighbours] button"
    assert len(browser.all(strip)) == 9
    assert browser.all(strip)[0].get_attribute("aria-pressed") == "true"
    third = changed(browser, lambda: browser.click(browser.all(strip)[3]))
    address(browser, variation="3", strength="0.3", hair="pink")
    assert browser.all(strip)[3].get_attribute("aria-pressed") == "true"
    changed(browser, lambda: browser.one("#spread").send_keys(Keys.END))
    address(browser, variation="3", strength="1")
    browser.click("[data-other-neighbours]")
    browser.wait(
        lambda: "variation=9&" in browser.all(f"{strip} img")[1].get_attribute("data-face")
    )
    browser.settle()
    assert changed(browser, lambda: browser.click(browser.all(strip)[0])) == first != third


def test_three_sizes_are_shown_and_saved(browser):
    studio(browser, "seed=107&hair=pink")
    for size in (32, 512, 128):
        changed(browser, lambda size=size: browser.click(f"label:has([value='{size}'])"))
        browser.wait(lambda size=size: browser.one(PORTRAIT).get_property("naturalWidth") == size)
        name, content = browser.download("[data-download]")
        assert name == f"face-107-pink-{size}.png"
        assert Image.open(io.BytesIO(content)).size == (size, size)
        link = browser.one("[data-download]").get_attribute("href")
        if not browser.is_site:
            assert fetch(link)[2] == content, "the API draws the same bytes"
        (browser.downloads / name).unlink()


def test_the_copied_link_recreates_the_face_elsewhere(browser):
    browser.hold_time()
    studio(browser, "seed=107&hair=%233366cc&skin=tan&variation=3&strength=0.5&truncation=0.8")
    here = changed(browser, lambda: browser.one("#realism").send_keys(Keys.HOME))
    browser.click("[data-copy]")
    browser.says("[data-toasts]", "Link copied")
    link = browser.copied()
    assert "weights=" in link and "realism=0" in link
    browser.js("localStorage.clear()")
    browser.driver.switch_to.new_window("window")
    assert studio(browser, link.split("?")[1]) == here
    assert not browser.one("[data-stale]").is_displayed()


def test_a_closed_clipboard_shows_the_link_instead(browser):
    studio(browser)
    denied = {"permission": {"name": "clipboard-write"}, "setting": "denied"}
    browser.command("Browser.setPermission", **denied, origin=browser.url)
    browser.click("[data-copy]")
    field = browser.seen("dialog[open] input")
    assert browser.named("/studio?seed=107") in field.get_property("value")
    browser.press(Keys.ESCAPE)
    browser.wait(lambda: not browser.all("dialog[open]"))


def test_a_link_made_with_other_weights_says_so(browser):
    studio(browser, "seed=107&weights=0123456789abcdef")
    assert "other weights" in browser.seen("[data-stale]").text
    changed(browser, lambda: browser.click("[data-step='1']"))
    browser.gone("[data-stale]")


def test_where_you_have_been_and_the_heart(browser):
    first = studio(browser)
    browser.click("[data-heart]")
    assert browser.one("[data-heart]").get_attribute("aria-pressed") == "true"
    changed(browser, lambda: browser.click("[data-step='1']"))
    assert browser.one("[data-heart]").get_attribute("aria-pressed") == "false"
    address(browser, seed="108")
    browser.driver.refresh()
    browser.seen("[data-recent]")
    browser.wait(lambda: shown(browser).startswith("data:"))
    recent = browser.all("[data-recent-strip] a")
    assert [link.get_attribute("aria-current") for link in recent] == ["true", "false"]
    assert changed(browser, lambda: browser.click(recent[1])) == first
    assert browser.one("[data-heart]").get_attribute("aria-pressed") == "true"
    browser.click("[data-forget]")
    browser.gone("[data-recent]")


@pytest.mark.served
def test_a_server_that_is_gone_is_said_once_and_tried_again(browser):
    studio(browser)
    with browser.offline():
        browser.click("[data-dice]")  # a face that the browser does not have
        problem = browser.seen("[data-problem]")
        assert problem.get_attribute("role") == "alert"
        assert "The server does not answer" in problem.text
        browser.wait(lambda: len(browser.all("[data-neighbours] .broken")) == 9)
        assert not browser.all(".toast")
    changed(browser, lambda: browser.click("[data-retry]"))
    browser.gone("[data-problem]")
    browser.settle()
    assert not browser.all("[data-neighbours] .broken")


@pytest.mark.served
def test_a_busy_server_is_waited_for_in_words(browser):
    browser.hold_time()
    studio(browser)
    browser.js(REFUSE_ONCE)
    browser.click("[data-dice]")
    browser.seen("[data-wait]")
    changed(browser, browser.time_passes)
    browser.gone("[data-wait]")
    assert not browser.one("[data-problem]").is_displayed()


@pytest.mark.served
def test_another_model_keeps_what_can_be_undone(browser, tmp_path):
    run = make_run(tmp_path / "checkpoints/dcgan/1-cpu")
    shutil.copy(find_weights("dcgan", "dcgan-generator"), run / "generator.npz")
    with served(tmp_path) as (_, url):
        browser.url = url
        studio(browser, "seed=11")
        changed(browser, lambda: browser.click("[data-step='1']"))
        address(browser, seed="12")
        browser.one("#model").send_keys(Keys.END)
        address(browser, model="dcgan/1-cpu", seed="12")
        for seed_then, model in (("12", ""), ("11", "")):
            browser.wait(lambda: shown(browser).startswith("data:"))
            browser.click("[data-undo]")
            address(browser, seed=seed_then, model=model)
        for _ in range(2):
            browser.click("[data-redo]")
        address(browser, model="dcgan/1-cpu", seed="12")
        browser.driver.get("about:blank")


def test_the_way_to_blending_takes_the_face_along(browser):
    studio(browser, "seed=107&hair=pink")
    browser.click("[data-blend]")
    browser.says("[data-end=a] [data-words]", "seed 107")
    browser.wait(lambda: browser.one("#position").is_enabled())
