"""Blending in Chromium: choose two faces, travel between them, take the journey away."""

import io
import json

import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys

pytest_plugins = ["browser", "ort_web"]
BACK_ENDS = ("api", "local")

PAIR = "/blend?a=seed%3D14&b=seed%3D61%26hair%3Dblue"


def ready(browser):
    """Wait until the whole journey has come."""
    browser.wait(lambda: browser.one("[data-portrait]").get_attribute("aria-busy") == "false")
    browser.wait(lambda: browser.one("#position").is_enabled())
    assert browser.seen("[data-frame]").get_property("naturalWidth") == 128


def frame(browser):
    return browser.one("[data-frame]").get_attribute("src")


def position(browser):
    return int(browser.one("#position").get_property("value"))


@pytest.fixture
def blend(browser):
    browser.open(PAIR)
    ready(browser)
    return browser


def test_the_slider_goes_from_face_to_face_by_keys(blend):
    slider = blend.one("#position")
    assert position(blend) == 12
    seen = {frame(blend)}
    slider.send_keys(Keys.ARROW_RIGHT)
    assert position(blend) == 13 and frame(blend) not in seen
    slider.send_keys(Keys.HOME)
    first = frame(blend)
    assert slider.get_attribute("aria-valuetext") == "0 % of the way"
    slider.send_keys(Keys.END)
    assert blend.one("[data-frame]").get_attribute("alt") == (
        "100 % of the way from seed 14 to seed 61"
    )
    assert frame(blend) not in {first, *seen}


def test_it_plays_and_stops(blend):
    assert blend.one("[data-play]").get_attribute("aria-pressed") == "false"
    blend.click("[data-play]")
    assert blend.one("[data-play]").get_attribute("aria-pressed") == "true"
    begin = position(blend)
    blend.wait(lambda: position(blend) != begin)
    blend.click("[data-play]")
    stopped = position(blend), frame(blend)
    assert blend.one("[data-play]").get_attribute("aria-pressed") == "false"
    assert (position(blend), frame(blend)) == stopped


def test_a_press_and_a_drag_on_the_slider(blend):
    slider = blend.one("#position")
    middle = frame(blend)
    blend.mouse("press", slider, 0.5)
    blend.mouse("move", slider, 0.8)
    blend.wait(lambda: frame(blend) != middle and position(blend) > 16)
    blend.mouse("release", slider, 0.8)


def test_the_journey_is_saved_as_a_gif_and_a_face_as_png(blend):
    name, content = blend.download("[data-gif]")
    assert name == "blend-14-61.gif"
    with Image.open(io.BytesIO(content)) as film:
        assert (film.format, film.size, film.n_frames) == ("GIF", (128, 128), 48)
        assert film.info["loop"] == 0
    name, content = blend.download("[data-save]")
    assert name == "blend-14-61-12.png"
    with Image.open(io.BytesIO(content)) as face:
        assert (face.format, face.size) == ("PNG", (128, 128))


def test_the_faces_are_swapped(blend):
    blend.one("#position").send_keys(Keys.HOME)
    first = frame(blend)
    blend.click("[data-swap]")
    blend.says("[data-end=a] [data-words]", "seed 61")
    ready(blend)
    blend.one("#position").send_keys(Keys.END)
    assert frame(blend) == first


def test_the_copied_link_recreates_the_journey(browser):
    browser.hold_time()
    browser.open(PAIR)
    ready(browser)
    here = frame(browser)
    browser.click("[data-copy]")
    browser.says("[data-toasts]", "Link copied")
    link = browser.copied()
    browser.driver.switch_to.new_window("window")
    browser.open(link)
    ready(browser)
    assert frame(browser) == here and not browser.one("[data-stale]").is_displayed()


def test_a_bare_number_is_the_seed_of_a_face_to_blend(browser):
    browser.open("/blend?a=7&b=seed%3D61%26hair%3Dpink")
    ready(browser)
    assert browser.text("[data-end=a] [data-words]") == "seed 7"
    button = browser.one("[data-end=b] .face-pick")
    assert "seed 61, with pink hair" in button.get_attribute("aria-label")


def test_favourites_are_offered_and_chosen(browser):
    kept = json.dumps(["seed=3", "seed=14&hair=pink", "seed=61"])
    browser.open("/upscale")
    browser.js("localStorage.setItem('ap.favourites', arguments[0])", kept)
    browser.open("/blend")
    ready(browser)
    assert browser.text("[data-end=a] [data-words]") == "seed 3", "favourites are the beginning"
    browser.click("[data-end=a] .blend-choose")
    faces = browser.wait(lambda: browser.all("[data-list=favourites] button"))
    names = [face.find_element("css selector", "img").get_attribute("alt") for face in faces]
    assert names == ["Face of seed 3", "Face of seed 14, with pink hair", "Face of seed 61"]
    browser.click(faces[2])
    browser.says("[data-end=a] [data-words]", "seed 61")
    ready(browser)


def test_a_face_is_chosen_by_its_seed_and_by_chance(blend):
    blend.click("[data-end=b] .face-pick")
    field = blend.seen("#picker-seed")
    field.send_keys("2024", Keys.ENTER)
    blend.says("[data-end=b] [data-words]", "seed 2024")
    ready(blend)
    blend.click("[data-end=b] [data-dice]")
    blend.wait(lambda: blend.text("[data-end=b] [data-words]") != "seed 2024")
    ready(blend)
    blend.click("[data-end=b] .face-pick")
    blend.seen("dialog[open]")
    blend.press(Keys.ESCAPE)
    blend.wait(lambda: not blend.all("dialog[open]"))
