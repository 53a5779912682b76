// @ts-check
/** What every page needs: messages, the theme switch, sliders with a fill, copying, downloading. */

const THEMES = ["auto", "light", "dark"];
const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };
const THEME_WORDS = { auto: "as the system has them", light: "light", dark: "dark" };

/**
 * Make an icon, of those that every page holds.
 * @param {string} name an id in _icons.svg, without its beginning
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Make an element: `make("p", { className: "soft" }, "words")`.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties] set as properties; names with a dash as attributes
 * @param {...(Node|string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) element.setAttribute(name, String(value));
    else Object.assign(element, { [name]: value });
  }
  element.append(...children);
  return element;
}

/** @typedef {{label: string, act: () => void}} Action a button beside the words of a toast */

/**
 * Say something at the foot of the page, also to screen readers.
 * @param {string} words
 * @param {Action} [action]
 */
export function toast(words, action) {
  showToast("[data-toasts]", words, action);
}

/**
 * Say what went wrong, so that screen readers say it at once.
 * @param {string} words
 * @param {Action} [action]
 */
export function alarm(words, action) {
  showToast("[data-alerts]", words, action);
}

/** @param {string} selector @param {string} words @param {Action} [action] */
function showToast(selector, words, action) {
  const place = document.querySelector(selector);
  if (!place) return;
  const note = make("div", { className: "toast" }, make("span", {}, words));
  if (action) {
    const button = make("button", { type: "button", className: "button small" }, action.label);
    button.addEventListener("click", () => { note.remove(); action.act(); });
    note.append(button);
  }
  for (const old of document.querySelectorAll(".toast")) old.remove();
  place.append(note);
  fade(note, action ? 9000 : 4000);
}

/** Take a toast away once nobody has pointed at it, or been in it, for a while. @param {HTMLElement} note @param {number} wait_ms */
function fade(note, wait_ms) {
  const leave = settled(() => {
    if (note.matches(":hover, :focus-within")) leave();
    else note.remove();
  }, wait_ms);
  for (const event of ["pointerleave", "focusout"]) note.addEventListener(event, () => leave());
  leave();
}

/**
 * Paint the filled part of a slider after a script has set its value.
 * @param {HTMLInputElement} input
 */
export function paintRange(input) {
  const low = Number(input.min || 0);
  const high = Number(input.max || 100);
  const share = high > low ? (Number(input.value) - low) / (high - low) : 0;
  input.style.setProperty("--at", `${(share * 100).toFixed(2)}%`);
}

/**
 * Put text on the clipboard; where a browser does not allow it, show the text for copying by hand.
 * @param {string} text
 * @param {string} [done] what to say when it worked
 */
export async function copyText(text, done = "Copied.") {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch (error) {
    // Pages without https have no clipboard, save on this machine itself.
    console.debug("The clipboard is closed:", error);
    const field = make("input", { className: "input", value: text, readOnly: true, "aria-label": "Text to copy" });
    const dialog = make("dialog", { className: "dialog", "aria-label": "Copy by hand" },
      make("form", { className: "stack", method: "dialog" },
        make("p", {}, "This browser keeps its clipboard closed here. Copy the text by hand:"), field,
        make("button", { className: "button primary" }, "Done")));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    field.select();
  }
}

/**
 * Save a file that the page holds.
 * @param {Blob} blob
 * @param {string} name
 */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/**
 * Turn a data: address into a file, without a request (which the page's security policy forbids).
 * @param {string} address
 * @returns {Blob}
 */
export function blobOfData(address) {
  const [head, body] = address.split(",", 2);
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: head.slice(5).split(";")[0] });
}

/**
 * Run a function once its calls have stopped for a while.
 * @template {unknown[]} Arguments
 * @param {(...args: Arguments) => void} act
 * @param {number} wait_ms
 * @returns {(...args: Arguments) => void}
 */
export function settled(act, wait_ms) {
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(act, wait_ms, ...args);
  };
}

/** @returns {boolean} whether the reader asked for less motion */
export function wantsCalm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** @returns {string} */
function readTheme() {
  return document.documentElement.dataset.theme || "auto";
}

/** @param {string} theme */
function applyTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem("ap.theme");
    else localStorage.setItem("ap.theme", theme);
  } catch (error) {
    console.debug("The theme is not remembered:", error);
  }
}

/** @param {Element} button */
function showTheme(button) {
  const theme = /** @type {"auto"|"light"|"dark"} */ (readTheme());
  button.replaceChildren(icon(THEME_ICONS[theme]));
  button.setAttribute("aria-label", `Colours of the page: ${THEME_WORDS[theme]}`);
  button.setAttribute("title", `Colours: ${THEME_WORDS[theme]}`);
}

function start() {
  const button = document.querySelector("[data-theme-switch]");
  if (button) {
    showTheme(button);
    button.addEventListener("click", () => {
      applyTheme(THEMES[(THEMES.indexOf(readTheme()) + 1) % THEMES.length]);
      showTheme(button);
    });
  }
  for (const input of document.querySelectorAll("input.range")) {
    paintRange(/** @type {HTMLInputElement} */ (input));
  }
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (input instanceof HTMLInputElement && input.classList.contains("range")) paintRange(input);
  });
  const nav = document.querySelector(".site-nav");
  const here = nav?.querySelector("[aria-current]");
  // Scrolls the strip itself: scrollIntoView would move the page too.
  if (nav && here instanceof HTMLElement) nav.scrollLeft = here.offsetLeft - nav.clientWidth / 3;
}

start();
