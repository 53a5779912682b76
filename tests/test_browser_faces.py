"""The wall and the favourites, used in Chromium as somebody would."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

pytest_plugins = ["browser", "ort_web"]
BACK_ENDS = ("api", "local")

FINISHED = """
const when = new Map(performance.getEntriesByType('resource')
  .map((one) => [one.name, one.responseEnd]));
return [...document.querySelectorAll('.wall img')].map((one) => when.get(one.src));
"""
NO_STORAGE = """
const refuse = () => { throw new DOMException("", "SecurityError"); };
Object.defineProperty(window, "localStorage", { get: refuse });
"""


def seeds(browser):
    return [int(card.get_attribute("data-seed")) for card in browser.all(".wall .face")]


def query(address):
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def keep(browser, start, count):
    """Make favourites of the first faces of a wall, by their hearts."""
    browser.open(f"/?start={start}")
    for heart in browser.all(".wall .heart")[:count]:
        browser.click(heart)


def test_the_wall_fills_row_by_row_with_described_faces(browser):
    browser.open("/?start=70100")
    images = browser.all(".wall img")
    browser.wait(lambda: all(image.get_property("naturalWidth") == 128 for image in images))
    assert seeds(browser) == list(range(70100, 70124))
    assert [image.get_attribute("alt") for image in images] == [
        f"Face of seed {seed}" for seed in seeds(browser)
    ]
    rows = [image.rect["y"] for image in images]
    assert rows == sorted(rows) and len(set(rows)) == 3
    if browser.is_site:
        return  # its pictures have no addresses, and come in the order that `queue.js` keeps
    ended = browser.js(FINISHED)
    assert max(ended[:8]) < max(ended[8:16]) < max(ended[16:])


def test_new_faces_and_the_way_back(browser):
    browser.open("/?start=300")
    browser.click("[data-new]")
    browser.wait(lambda: seeds(browser)[0] != 300)
    fresh = seeds(browser)
    assert fresh == list(range(fresh[0], fresh[0] + 24))
    assert query(browser.driver.current_url)["start"] == str(fresh[0])
    assert f"start={fresh[0] + 24}" in browser.one("[data-more]").get_attribute("href")
    browser.driver.back()
    browser.wait(lambda: seeds(browser)[0] == 300)
    browser.settle()


@pytest.mark.served
def test_a_wall_without_a_server_says_so_once(browser):
    browser.open("/?start=300")
    with browser.offline():
        browser.click("[data-new]")
        assert "The server does not answer" in browser.seen("[data-problem]").text
        browser.wait(lambda: len(browser.all(".wall .broken")) == 24)
        assert not browser.all(".toast")
    browser.click("[data-retry]")
    browser.settle()
    browser.gone("[data-problem]")


def test_the_wall_names_the_chosen_colour(browser):
    browser.open("/?start=300")
    name = "[data-picker=hair] [data-choice-words]"
    browser.click("[data-picker=hair] [title=Pink]")
    browser.says(name, "pink")
    browser.actions().move_to_element(browser.one("[data-picker=hair] [title=Blue]")).perform()
    browser.says(name, "Blue")
    browser.actions().move_to_element(browser.one("h1")).perform()
    browser.says(name, "pink")
    browser.settle()


def test_more_faces_by_key_and_by_scrolling(browser):
    browser.open("/?start=300")
    browser.js("arguments[0].focus()", browser.one("[data-more]"))
    browser.press(Keys.ENTER)
    browser.wait(lambda: len(seeds(browser)) == 48)
    assert "seed=324" in browser.focused("href"), "who pressed a key goes on at the first new face"
    browser.js("scrollTo(0, document.body.scrollHeight)")
    browser.wait(lambda: len(seeds(browser)) >= 72)
    found = seeds(browser)
    assert found == list(range(300, 300 + len(found)))


def test_one_hair_colour_for_all(browser):
    browser.open("/?start=300")
    before = [image.get_attribute("data-face") for image in browser.all(".wall img")]
    browser.click("[data-look] [data-picker=hair] [title=Pink]")
    browser.says("[data-status]", "pink hair")
    browser.click("[data-look] [data-picker=skin] [title=Tan]")
    browser.says("[data-status]", "tan skin")
    browser.settle()
    shown = [image.get_attribute("data-face") for image in browser.all(".wall img")]
    assert all("hair=pink" in each and "skin=tan" in each for each in shown)
    assert not set(shown) & set(before) and seeds(browser)[0] == 300
    browser.driver.refresh()
    browser.settle()
    assert all(
        "hair=pink" in image.get_attribute("data-face") for image in browser.all(".wall img")
    )
    assert browser.one("[name=skin][value=tan]").is_selected()


def test_a_face_of_the_wall_opens_in_the_studio(browser):
    browser.open("/?start=300&hair=blue")
    browser.click(".wall .face:nth-child(5) .face-link")
    browser.seen("[data-studio]")
    browser.settle()
    assert browser.one("#seed").get_property("value") == "304"
    assert browser.one("[data-picker=hair] [value=blue]").is_selected()


def test_hearts_survive_a_reload(browser):
    browser.hold_time()
    keep(browser, 300, 2)
    browser.says("[data-toasts]", "Kept in your favourites")
    browser.driver.refresh()
    pressed = [heart.get_attribute("aria-pressed") for heart in browser.all(".wall .heart")]
    assert pressed == ["true", "true"] + ["false"] * 22
    browser.click(browser.all(".wall .heart")[0])
    browser.says("[data-toasts]", "Taken out")
    browser.click("[data-toasts] button")
    assert browser.all(".wall .heart")[0].get_attribute("aria-pressed") == "true", "undone"


def test_without_storage_hearts_last_as_long_as_the_page(browser):
    added = browser.command("Page.addScriptToEvaluateOnNewDocument", source=NO_STORAGE)
    browser.held.append(added["identifier"])
    keep(browser, 300, 1)
    browser.says("[data-toasts]", "this browser stores nothing")
    assert browser.one(".wall .heart").get_attribute("aria-pressed") == "true"
    browser.open("/favourites")
    browser.seen("[data-no-storage]")
    assert not seeds(browser)


def test_a_toast_stays_while_somebody_is_in_it(browser):
    browser.hold_time()
    keep(browser, 300, 1)
    browser.click(browser.all(".wall .heart")[0])
    button = browser.seen("[data-toasts] button")
    browser.js("arguments[0].focus()", button)
    for _ in range(3):
        assert browser.time_passes() and button.is_displayed(), "who is in it has time"
    browser.js("arguments[0].blur()", button)
    browser.actions().move_to_element(button).perform()
    assert browser.time_passes() and button.is_displayed(), "so has who points at it"
    browser.actions().move_to_element(browser.one("h1")).perform()
    assert browser.time_passes() and not browser.all(".toast")


def test_favourites_are_listed_taken_out_and_brought_back(browser):
    browser.hold_time()
    browser.open("/favourites")
    assert browser.seen("[data-empty]") and not browser.one("[data-export]").is_enabled()
    keep(browser, 300, 3)
    browser.open("/favourites")
    browser.wait(lambda: seeds(browser) == [302, 301, 300])
    browser.settle()
    browser.click(".face:nth-child(2) .face-tool")
    assert seeds(browser) == [302, 300] and "seed=300" in browser.focused("href")
    browser.driver.refresh()
    browser.wait(lambda: seeds(browser) == [302, 300])
    for left in ([300], []):
        browser.click(".face:nth-child(1) .face-tool")
        assert seeds(browser) == left
    browser.seen("[data-empty]")
    browser.click("[data-toasts] button")
    assert seeds(browser) == [300], "undone"
    browser.settle()


def test_favourites_travel_as_a_file(browser, tmp_path):
    keep(browser, 300, 2)
    browser.open("/favourites")
    browser.wait(lambda: seeds(browser))
    name, content = browser.download("[data-export]")
    assert name == "anime-faces.json" and len(json.loads(content)["faces"]) == 2
    while browser.all(".face-tool"):
        browser.click(".face-tool")
    browser.one("[data-file]").send_keys(str(tmp_path / name))
    browser.wait(lambda: seeds(browser) == [301, 300])
    (tmp_path / "other.json").write_text("[]")
    browser.one("[data-file]").send_keys(str(tmp_path / "other.json"))
    browser.says("[role=alert]", "other.json holds no favourites")
    browser.settle()


def test_two_favourites_are_chosen_for_blending(browser):
    keep(browser, 300, 3)
    browser.open("/favourites")
    browser.wait(lambda: seeds(browser))
    assert not browser.seen("[data-pair-go]").is_enabled()
    for index in (1, 3):
        browser.click(f".face:nth-child({index}) .face-check")
    browser.click("[data-pair-go]")
    browser.seen("[data-blend]")
    browser.says("[data-end=a] [data-words]", "seed 302")
    browser.says("[data-end=b] [data-words]", "seed 300")
    browser.wait(lambda: browser.one("#position").is_enabled())
