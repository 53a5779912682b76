// @ts-check
/** What every page needs: messages, the theme switch, sliders, copying, downloading. */

const THEMES = {
  auto: { mark: "auto", words: "as the system has them" },
  light: { mark: "sun", words: "light" },
  dark: { mark: "moon", words: "dark" },
};

/**
 * The element that a selector names; a page has those that its scripts ask for.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {any}
 */
export function find(selector, root = document) {
  return root.querySelector(selector);
}

/** @param {string} selector @param {ParentNode} [root] @returns {any[]} */
export function findAll(selector, root = document) {
  return [...root.querySelectorAll(selector)];
}

/** @param {string} selector @param {(event: MouseEvent) => void} act @param {ParentNode} [root] */
export function onClick(selector, act, root) {
  for (const element of findAll(selector, root)) element.addEventListener("click", act);
}

/** @param {HTMLInputElement} input @param {(file: File) => void} take is given each file that is chosen */
export function onFile(input, take) {
  input.addEventListener("change", () => {
    if (input.files?.[0]) take(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
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

/**
 * Make an element of SVG.
 * @param {string} tag
 * @param {Record<string, string|number>} attributes
 * @param {...(Node|string)} children
 */
export function makeSvg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Make an icon, of those that every page holds. @param {string} name an id in _icons.svg, without its beginning */
export function icon(name) {
  return makeSvg("svg", { class: "icon", "aria-hidden": "true" }, makeSvg("use", { href: `#icon-${name}` }));
}

/** Write words if they are others: each change may be read out. @param {Element} place @param {string} words */
export function say(place, words) {
  if (place.textContent !== words) place.textContent = words;
}

/** Say in the page's place for it what is wrong; no words when all is well. @param {string} words */
export function showProblem(words) {
  find("[data-problem]").hidden = !words;
  say(find("[data-problem-words]"), words);
}

/** @typedef {{label: string, act: () => void}} Action a button beside the words of a toast */

/** Say what went wrong, so that screen readers say it at once. @param {string} words @param {Action} [action] */
export function alarm(words, action) {
  toast(words, action, "[data-alerts]");
}

/** Say something at the foot of the page, also to screen readers. @param {string} words @param {Action} [action] */
export function toast(words, action, selector = "[data-toasts]") {
  const note = make("div", { className: "toast" }, make("span", {}, words));
  if (action) {
    const act = () => { note.remove(); action.act(); };
    note.append(make("button", { type: "button", className: "button small", onclick: act }, action.label));
  }
  for (const old of findAll(".toast")) old.remove();
  find(selector).append(note);
  // It stays while somebody points at it or is in it.
  const end = () => (note.matches(":hover, :focus-within") ? leave() : note.remove());
  const leave = debounce(end, action ? 9000 : 4000);
  note.onpointerleave = leave;
  note.addEventListener("focusout", leave);
  leave();
}

/**
 * Set a slider, as a hand would.
 * @param {HTMLInputElement} input
 * @param {number} value
 * @param {string} [words] the value as screen readers say it
 */
export function setRange(input, value, words) {
  input.value = String(value);
  if (words) input.setAttribute("aria-valuetext", words);
}

/**
 * Put text on the clipboard; where a browser does not allow it, show the text for copying by hand.
 * @param {string} text
 * @param {string} done what to say when it worked
 */
export async function copyText(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch (error) {
    // Pages without https have no clipboard, save on this machine itself.
    console.debug("The clipboard is closed:", error);
    const dialog = find("[data-copy-dialog]");
    const field = find("input", dialog);
    field.value = text;
    dialog.showModal();
    field.select();
  }
}

/** Copy the address of a page in full. @param {string} address @param {string} done what to say when it worked */
export function copyLink(address, done) {
  return copyText(new URL(address, document.baseURI).href, done);
}

/** Save what an address leads to. @param {string} url @param {string} name of the file */
export function save(url, name) {
  make("a", { href: url, download: name }).click();
}

/** Save a file that the page holds. @param {Blob} blob @param {string} name */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/**
 * Run a function once its calls have stopped for a while.
 * @template {unknown[]} Arguments
 * @param {(...args: Arguments) => void} act
 * @param {number} wait_ms
 * @returns {(...args: Arguments) => void}
 */
export function debounce(act, wait_ms) {
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(act, wait_ms, ...args);
  };
}

/**
 * Keep at most one task running: while it runs, only the newest of the later calls is kept.
 * @template {unknown[]} Arguments
 * @param {(...args: Arguments) => Promise<void>} task
 * @returns {(...args: Arguments) => Promise<void>}
 */
export function newestOnly(task) {
  let running = false;
  /** @type {Arguments|null} */
  let next = null;
  return async (...args) => {
    next = args;
    if (running) return;
    running = true;
    try {
      while (next) {
        const now = next;
        next = null;
        await task(...now);
      }
    } finally {
      running = false;
    }
  };
}

/** @param {HTMLButtonElement} button */
function serveTheme(button) {
  const { dataset } = document.documentElement;
  const now = () => /** @type {keyof typeof THEMES} */ (dataset.theme ?? "auto");
  const show = () => {
    const { mark, words } = THEMES[now()];
    button.replaceChildren(icon(mark));
    button.setAttribute("aria-label", `Colours of the page: ${words}`);
    button.title = `Colours: ${words}`;
  };
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    dataset.theme = names[(names.indexOf(now()) + 1) % names.length];
    show();
    try {
      localStorage.setItem("ap.theme", dataset.theme);
    } catch (error) {
      console.debug("The theme is not remembered:", error);
    }
  });
  show();
}

serveTheme(find("[data-theme-switch]"));
const nav = find(".site-nav");
// Scrolls the strip itself: scrollIntoView would move the page too.
nav.scrollLeft = (find("[aria-current]", nav)?.offsetLeft ?? 0) - nav.clientWidth / 3;
