"""Chromium for the tests of the pages: one browser and one real server for all of them.

A pytest plugin: a module of such tests says `pytest_plugins = ["browser"]` and asks for `browser`.
One that says `BACK_ENDS = ("api", "local")`, and "ort_web" too, is run twice: on the server's pages
and (`-m slow`) on those of a site without one, but for tests that are marked `served`.
"""

import os
import re
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from static_host import hosted
from test_web_runs import WARNING, make_run
from web import served

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DRIVERS = ("chromedriver", "chromium.chromedriver")
# For root, without a screen, and without a word to the world outside.
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    # Its crash handler can hang beside a renderer that it watches die, and the browser with it.
    "--disable-breakpad --disable-crash-reporter --disable-dev-shm-usage --hide-scrollbars"
)
GPU_FLAGS = (
    "--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader --use-angle=swiftshader "
    "--enable-unsafe-swiftshader --enable-features=Vulkan"
)
DESKTOP, PHONE = (1280, 900), (390, 844)
PATIENCE_S = 300  # a limit for what is broken, however slow the machine
# Time that stands still but for `passes()`: what waits for long enough happens then, and only then.
HELD_TIME = """
const [begin, end, held] = [window.setTimeout, window.clearTimeout, new Map()];
window.setTimeout = (act, ms, ...given) => {
  if (ms < LEAST_MS) return begin(act, ms, ...given);
  const key = begin(() => {}, ms);
  held.set(key, () => act(...given));
  return key;
};
window.clearTimeout = (key) => { held.delete(key); end(key); };
window.passes = () => {
  const due = [...held.values()];
  held.clear();
  for (const act of due) act();
  return due.length;
};
"""
PICTURES_DONE = """
const wanted = (one) => one.getClientRects().length
  && (one.loading !== "lazy" || one.getBoundingClientRect().top < innerHeight);
return [...document.images].filter(wanted).every(
  (one) => one.complete && one.naturalWidth && !one.classList.contains("coming"));
"""


def installed() -> tuple[str, str] | None:
    """Return the paths of a Chromium and its driver, if both are here."""
    found = [next(filter(None, map(shutil.which, names)), None) for names in (BROWSERS, DRIVERS)]
    driver = found[1] or shutil.which(os.environ.get("SE_CHROMEDRIVER", ""))
    return (found[0], driver) if found[0] and driver else None


@contextmanager
def chromium(profile: Path, gpu: bool = False):
    """Run Chromium with a profile of its own; skips the test where there is none.

    Args:
        profile: Its folder.
        gpu: Whether to let pages have a GPU, which the processor plays (SwiftShader).
    """
    paths = installed()
    if paths is None:
        pytest.skip("no Chromium and chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    flags = FLAGS.replace("--disable-gpu", GPU_FLAGS) if gpu else FLAGS
    for flag in (*flags.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With its path given, selenium looks for no driver, and fetches none.
    driver = webdriver.Chrome(options, Service(paths[1]))
    driver.set_script_timeout(PATIENCE_S)
    driver.command_executor.client_config.timeout = PATIENCE_S
    try:
        yield driver
    finally:
        driver.quit()


class Browser:
    """One window on the server's pages, in the words of somebody who uses it."""

    def __init__(self, driver: webdriver.Chrome, url: str, downloads: Path, is_site=False):
        self.driver = driver
        self.url = url
        self.downloads = downloads
        self.is_site = is_site
        self.allowed: list[str] = []
        self.held: list[str] = []

    def js(self, script: str, *arguments):
        """Run a script; a promise is waited for."""
        return self.driver.execute_script(script, *arguments)

    def command(self, name: str, **parameters):
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def size(self, width: int, height: int) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def prefer(self, **features: str) -> None:
        """Set what the system prefers: `prefers_color_scheme="dark"`."""
        named = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.command("Emulation.setEmulatedMedia", features=named)

    def hold_time(self, least_ms: int = 2000) -> None:
        """On pages that are opened from now on, let timers of so long wait for `time_passes`.

        A message would be gone, or a typed number taken for two, where a test is slower than that.
        """
        source = f"{{{HELD_TIME.replace('LEAST_MS', str(least_ms))}}}"
        added = self.command("Page.addScriptToEvaluateOnNewDocument", source=source)
        self.held.append(added["identifier"])

    def time_passes(self) -> int:
        """Let happen what waits; gives how many timers that were."""
        return self.js("return passes()")

    def let_go(self) -> None:
        """Let time pass by itself again, on pages that are opened from now on."""
        for identifier in self.held:
            self.command("Page.removeScriptToEvaluateOnNewDocument", identifier=identifier)
        self.held.clear()

    def open(self, path: str) -> None:
        """Open a page and wait for its pictures."""
        self.driver.get(path if ":" in path.split("?")[0] else self.url + self.named(path))
        self.settle()

    def named(self, path: str) -> str:
        """Return the path of a page as it is called here: on plain hosts pages have an ending."""
        return re.sub(r"^/(\w+)", r"/\1.html", path) if self.is_site else path

    def settle(self) -> None:
        self.wait(lambda: self.js(PICTURES_DONE))

    def wait(self, holds: Callable[[], object], seconds: float = PATIENCE_S):
        """Wait until something holds; gives what it gave."""
        waiting = WebDriverWait(
            self.driver, seconds, 0.05, ignored_exceptions=[StaleElementReferenceException]
        )
        return waiting.until(lambda _: holds())

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def seen(self, selector: str) -> WebElement:
        """Wait for an element that can be seen."""
        return self.wait(lambda: next((x for x in self.all(selector) if x.is_displayed()), None))

    def gone(self, selector: str) -> None:
        self.wait(lambda: not any(each.is_displayed() for each in self.all(selector)))

    def text(self, selector: str) -> str:
        return self.one(selector).get_attribute("textContent").strip()

    def says(self, selector: str, words: str) -> None:
        """Wait until an element says something."""
        self.wait(lambda: words in self.text(selector))

    def click(self, target: str | WebElement) -> None:
        element = self.seen(target) if isinstance(target, str) else target
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        self.wait(element.is_enabled)
        element.click()

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        self.actions().send_keys(*keys).perform()

    def focused(self, attribute: str = "outerHTML") -> str | None:
        return self.driver.switch_to.active_element.get_attribute(attribute)

    def actions(self) -> ActionChains:
        return ActionChains(self.driver, duration=30)

    def mouse(self, what: str, element: WebElement, across: float = 0.5, down: float = 0.5) -> None:
        """Press, move (held down) or release the mouse over an element, at shares of its size.

        Other than with `actions`, the button stays down from one call to the next.
        """
        box = self.js("return arguments[0].getBoundingClientRect().toJSON()", element)
        kind = {"press": "mousePressed", "move": "mouseMoved", "release": "mouseReleased"}[what]
        self.command(
            "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1,
            buttons=0 if what == "release" else 1,
            x=box["left"] + across * box["width"], y=box["top"] + down * box["height"],
        )  # fmt: skip

    def download(self, target: str) -> tuple[str, bytes]:
        """Click what saves a file; gives the file's name and content."""
        before = set(self.downloads.iterdir())
        self.click(target)

        def whole(file: Path) -> bool:
            passing = file.name.startswith(".") or file.suffix == ".crdownload"
            # An empty file keeps the name free until the whole one is moved there.
            return not passing and file.stat().st_size > 0

        fresh = self.wait(
            lambda: [one for one in self.downloads.iterdir() if one not in before and whole(one)]
        )
        return fresh[0].name, fresh[0].read_bytes()

    def copied(self) -> str:
        """Return what is on the clipboard."""
        return self.js("return navigator.clipboard.readText()")

    @contextmanager
    def offline(self):
        """Be without the server for a while, as when it is started anew."""
        self.allowed += ["ERR_BLOCKED_BY_CLIENT", "ERR_INTERNET_DISCONNECTED"]
        self.command("Network.enable")
        lost = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.command("Network.emulateNetworkConditions", offline=True, **lost)
        try:
            yield
        finally:
            self.command("Network.emulateNetworkConditions", offline=False, **lost)

    def complaints(self) -> list[str]:
        """Return what the browser complained of on its console since it was asked last."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
            and not any(words in entry["message"] for words in self.allowed)
        ]


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """The one Chromium."""
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory) -> Path:
    """The server's folder of runs: one that was stopped, and one that has just begun."""
    folder = tmp_path_factory.mktemp("site") / "checkpoints"
    rows = [
        {"step": step, "epoch": step // 10 + 1, "loss_d": 1 / step, "loss_g": 2 / step,
         "images_per_second": 40.0, "accuracy_real_train": 0.7, "accuracy_fake": 0.8}
        for step in range(10, 100, 10)
    ]  # fmt: skip
    rows[-1]["kid_val"] = 0.4
    make_run(folder / "dcgan/1-cpu", None, rows, (0, 3, 12), WARNING)
    make_run(folder / "dcgan/2-cpu")
    return folder


def pytest_generate_tests(metafunc):
    """Choose which pages tests are run on."""
    if "back_end" in metafunc.fixturenames:
        chosen = getattr(metafunc.module, "BACK_ENDS", ("api",))
        if metafunc.definition.get_closest_marker("served"):
            chosen = ("api",)
        slow = pytest.param("local", marks=pytest.mark.slow)
        chosen = [slow if each == "local" and len(chosen) > 1 else each for each in chosen]
        metafunc.parametrize("back_end", chosen, scope="session")


@pytest.fixture(scope="session")
def served_pages(checkpoints):
    """The address of the real server, with the shipped weights."""
    # However slow the machine is, a refusal would be a complaint on the console.
    with served(checkpoints.parent, "--face-timeout-s", str(PATIENCE_S)) as (_, url):
        yield url


@pytest.fixture(scope="session")
def host(shipped_site):
    """A static host with the site of the shipped weights in a folder of it."""
    folder, _ = shipped_site
    with hosted(folder.parent) as running:
        yield running


@pytest.fixture(scope="session")
def site(back_end, driver, request):
    """The address of the pages."""
    if back_end == "api":
        return request.getfixturevalue("served_pages")
    return f"{request.getfixturevalue('host').url}/faces"


@pytest.fixture
def browser(driver, back_end, site, tmp_path):
    """A browser that remembers nothing; its console must stay empty of complaints."""
    window = Browser(driver, site, tmp_path, back_end == "local")
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(site))
    window.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    window.command("Browser.grantPermissions", permissions=allowed, origin=origin)
    if window.is_site:
        window.allowed.append("No available adapters")  # what Chromium says where there is no GPU
    window.size(*DESKTOP)
    window.prefer(prefers_color_scheme="light")
    window.complaints()
    yield window
    complaints = window.complaints()
    for other in driver.window_handles[1:]:
        driver.switch_to.window(other)
        driver.close()
    driver.switch_to.window(driver.window_handles[0])
    window.let_go()
    driver.get("about:blank")
    window.command("Storage.clearDataForOrigin", origin=origin, storageTypes="local_storage")
    assert not complaints
