"""Eyes and the length of hair in Chromium: chosen by mouse and by keys, kept in links."""

import pytest
from browser_checks import accessibility, too_wide
from selenium.webdriver.common.keys import Keys
from test_browser_studio import PORTRAIT, address, changed, shown, studio

pytest_plugins = ["browser"]

EYES, LENGTH = "[data-picker=eyes]", "[data-picker=length]"


def test_eyes_and_length_in_the_studio(browser):
    first = studio(browser, "seed=107")
    assert changed(browser, lambda: browser.click(f"{EYES} [title=Red]")) != first
    address(browser, eyes="red")
    browser.says(f"{EYES} [data-choice-words]", "red")
    assert "red eyes" in browser.one(PORTRAIT).get_attribute("alt")
    browser.js("arguments[0].focus()", browser.one(f"{LENGTH} [value='']"))
    changed(browser, lambda: browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT))
    address(browser, eyes="red", length="short")
    assert browser.one(f"{LENGTH} [value=short]").is_selected()
    browser.driver.refresh()
    browser.wait(lambda: shown(browser).startswith("data:"))
    assert browser.one(f"{EYES} [value=red]").is_selected()
    assert browser.one(f"{LENGTH} [value=short]").is_selected()
    assert "seed%3D107%26eyes%3Dred%26length%3Dshort" in browser.one("[data-blend]").get_attribute(
        "href"
    )
    name, _ = browser.download("[data-download]")
    assert name == "face-107-red-eyes-short-hair-128.png"
    changed(browser, lambda: browser.click("[data-reset]"))
    browser.wait(lambda: browser.one(f"{EYES} [value='']").is_selected())
    address(browser, eyes="", length="")


def test_one_look_for_the_whole_wall(browser):
    browser.open("/?start=300")
    browser.click("[data-look] [data-picker=eyes] [title=Green]")
    browser.says("[data-status]", "green eyes")
    browser.click("[data-look] [data-picker=length] label:nth-of-type(2)")
    browser.says("[data-status]", "long hair and green eyes")
    browser.settle()
    links = [link.get_attribute("href") for link in browser.all(".wall .face-link")]
    assert all("eyes=green" in link and "length=long" in link for link in links)
    assert browser.text("[data-picker=eyes] [data-choice-words]") == "green"
    browser.driver.refresh()
    assert browser.one("[name=eyes][value=green]").is_selected()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/?start=500&eyes=blue&length=long", "/studio?eyes=red"])
def test_a_phone_shows_them_whole(browser, path, theme):
    browser.size(390, 844)
    browser.prefer(prefers_color_scheme=theme)
    browser.open(path)
    assert too_wide(browser, 390) == [] and accessibility(browser) == []
