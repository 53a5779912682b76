"""Upscaling in Chromium: a picture comes by file, drop or paste, and is compared and saved."""

import base64
import io

import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys
from web import picture_bytes

pytest_plugins = ["browser", "ort_web"]
BACK_ENDS = ("api", "local")

BYTES = "const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));"
PASTE = f"""{BYTES}
const picture = new Blob([bytes], {{ type: "image/png" }});
return navigator.clipboard.write([new ClipboardItem({{ "image/png": picture }})]);
"""
DROP = f"""{BYTES}
const [, name, type] = arguments;
const carried = new DataTransfer();
carried.items.add(new File([bytes], name, {{ type }}));
const fire = (kind) => document.querySelector("[data-drop]").dispatchEvent(
  new DragEvent(kind, {{ bubbles: true, cancelable: true, dataTransfer: carried }}));
fire("dragenter");
const marked = document.querySelector("[data-drop]").classList.contains("over");
fire("dragover");
fire("drop");
return marked;
"""
DIVIDER = """
const [handle, frame] = ["handle", "frame"].map((name) =>
  document.querySelector(`[data-compare-${name}]`).getBoundingClientRect());
return Math.round(1000 * (handle.left + handle.width / 2 - frame.left) / frame.width) / 10;
"""
# The first upload is answered as by a server that has too much to do.
REFUSE_ONCE = """
const { get } = Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, "status");
let refused = false;
Object.defineProperty(XMLHttpRequest.prototype, "status", { get() {
  if (refused) return get.call(this);
  refused = true;
  return 503;
} });
"""


@pytest.fixture
def page(browser):
    browser.open("/upscale")
    assert not browser.one("[data-go]").is_enabled()
    return browser


def choose(page, content, name="small.png"):
    """Give the page a file."""
    path = page.downloads / name
    path.write_bytes(content)
    page.one("#upscale-file").send_keys(str(path))


def drop(page, content, name, kind):
    """Drop a file; tells whether its place was marked while the file was over it."""
    return page.js(DROP, base64.b64encode(content).decode(), name, kind)


def enlarged(page, scale=None):
    """Enlarge what was chosen, and wait for the comparison."""
    page.wait(lambda: page.one("[data-go]").is_enabled())
    if scale:
        page.click(f"label:has([name=scale][value='{scale}'])")
    page.click("[data-go]")
    page.seen("[data-result]")
    page.settle()


def divider(page):
    """Return how much of the picture before is shown, in percent, as it is drawn."""
    return page.js(DIVIDER)


def refused(page, words):
    """Wait until the page says why it does not take a file, for people and screen readers."""
    page.says("[data-fault-words]", words)
    said = page.seen("[data-fault-words]")
    assert said.get_attribute("role") == "alert" and "Error" not in said.text
    assert not page.one("[data-result]").is_displayed()


def test_a_file_is_enlarged_and_saved(page):
    choose(page, picture_bytes(24, 16))
    page.says("[data-drop-words]", "24 × 16 pixels")
    page.says("[data-size-words]", "becomes 96 × 64")
    enlarged(page)
    page.says("[data-facts]", "96 × 64 pixels")
    assert " kB, in " in page.text("[data-facts]")
    assert page.focused("id") == "result-title"
    name, content = page.download("[data-download]")
    assert name == "small_x4.png" and Image.open(io.BytesIO(content)).size == (96, 64)


def test_twice_as_large_with_realism_and_then_another(page):
    choose(page, picture_bytes())
    page.one("#upscale-realism").send_keys(Keys.END)
    page.says("[data-realism-words]", "100 % · sharpest")
    enlarged(page, 2)
    page.says("[data-facts]", "32 × 32 pixels")
    choose(page, picture_bytes(20, 20), "other.png")
    page.says("[data-drop-words]", "other.png")
    enlarged(page, 3)
    page.says("[data-facts]", "60 × 60 pixels")


def test_before_and_after_by_keys_pointer_and_choice(page):
    choose(page, picture_bytes(32, 32))
    enlarged(page)
    slider = page.one("#compare-range")
    slider.send_keys(Keys.HOME)
    assert divider(page) == 0
    slider.send_keys(Keys.ARROW_RIGHT)
    assert divider(page) == 1 and "1 percent before" in slider.get_attribute("aria-valuetext")
    picture = page.one("[data-compare-frame]")
    page.js("arguments[0].scrollIntoView({block: 'center'})", picture)
    page.mouse("press", picture, 0.25)
    page.wait(lambda: abs(divider(page) - 25) < 1)
    page.mouse("move", picture, 0.75)
    page.wait(lambda: abs(divider(page) - 75) < 1)
    page.mouse("release", picture, 0.75)
    assert float(slider.get_property("value")) == pytest.approx(75, abs=1)
    page.click("label:has([value=pixels])")
    page.click("label:has([value=full])")
    page.wait(lambda: picture.size == {"width": 128, "height": 128})
    page.wait(
        lambda: (
            page.one("[data-compare-before]").value_of_css_property("image-rendering")
            == "pixelated"
        )
    )


def test_a_picture_is_dropped(page):
    assert drop(page, picture_bytes(32, 24), "dropped.png", "image/png"), "its place is marked"
    page.says("[data-drop-words]", "dropped.png")
    enlarged(page)
    page.says("[data-facts]", "128 × 96 pixels")


def test_a_picture_is_pasted(page):
    page.js(PASTE, base64.b64encode(picture_bytes(20, 12)).decode())
    page.js("document.activeElement.blur()")
    page.actions().key_down(Keys.CONTROL).send_keys("v").key_up(Keys.CONTROL).perform()
    page.says("[data-drop-words]", "20 × 12 pixels")
    enlarged(page)
    page.says("[data-facts]", "80 × 48 pixels")


def test_what_is_no_picture_is_refused_in_words(page):
    choose(page, b"<script>alert(1)</script>", "notes.txt")
    refused(page, "“notes.txt” is no PNG, JPEG, WebP, AVIF, GIF or BMP file")
    choose(page, b"<script>alert(1)</script>", "notes.png")
    refused(page, "“notes.png” cannot be read as a picture")
    choose(page, b"", "empty.png")
    refused(page, "“empty.png” is empty")
    drop(page, b"words", "dropped.txt", "text/plain")
    refused(page, "“dropped.txt” is no PNG")
    assert not page.one("[data-go]").is_enabled()
    choose(page, picture_bytes())
    page.gone("[data-fault]")
    enlarged(page)


def test_what_the_server_refuses_is_said_in_its_words(page):
    page.allowed.append("status of 422")
    choose(page, picture_bytes(1100, 1000), "large.png")
    page.wait(lambda: page.one("[data-go]").is_enabled())
    page.click("label:has([name=scale][value='8'])")
    page.click("[data-go]")
    refused(page, "too many for 8 times. Choose a smaller scale")
    assert page.one("[data-go]").is_enabled(), "another scale may do"


@pytest.mark.served
def test_a_busy_server_is_waited_for_and_asked_again(browser):
    browser.hold_time(1000)
    browser.open("/upscale")
    choose(browser, picture_bytes())
    browser.js(REFUSE_ONCE)
    browser.wait(lambda: browser.one("[data-go]").is_enabled())
    browser.click("[data-go]")
    browser.says("[data-working-words]", "The server is busy. Trying again in")
    browser.wait(browser.time_passes)
    browser.says("[data-facts]", "64 × 64 pixels")
    assert not browser.one("[data-fault]").is_displayed()


def test_it_is_called_off(page):
    choose(page, picture_bytes(1000, 900))  # work for longer than it takes to call it off
    page.wait(lambda: page.one("[data-go]").is_enabled())
    page.click("[data-go]")
    page.click("[data-cancel]")
    page.gone("[data-working]")
    page.wait(lambda: page.one("[data-go]").is_enabled())
    assert not page.one("[data-result]").is_displayed()
    assert page.focused("textContent") == "Enlarge"
