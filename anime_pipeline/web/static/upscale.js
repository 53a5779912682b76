// @ts-check
/** The page that enlarges a picture: choose, send, wait, compare, download. */

import { isAbort, messageOf, RequestError, upscale } from "./backend.js";
import { find, make, newestOnly, onClick, say } from "./common.js";
import { Compare } from "./compare.js";
import { listen, pick, UnfitError } from "./picked.js";

/** @typedef {import("./picked.js").Picked} Picked */

// Browsers fail at showing larger pictures, or run out of memory.
const MOST_SHOWN_PIXELS = 64_000_000;
const SCALE_WORDS = /** @type {Record<number, string>} */ ({
  2: "Made at four times, then reduced.", 3: "Made at four times, then reduced.",
  4: "Four times is what the network was trained for.", 8: "The network goes over it twice.",
});

const form = find("[data-upscale]");
const part = (/** @type {string} */ name) => find(`[data-${name}]`, form);
const limits = { bytes: Number(form.dataset.uploadBytes), pixels: Number(form.dataset.uploadPixels) };
const go = /** @type {HTMLButtonElement} */ (part("go"));
const file = /** @type {HTMLInputElement} */ (find("#upscale-file", form));
const realism = /** @type {HTMLInputElement|null} */ (find("[name=realism]", form));
const denoise = /** @type {HTMLInputElement|null} */ (find("[name=denoise]", form));
const scale = () => Number(form.elements.scale.value);
const compare = new Compare(part("result"));

/** @type {Picked|null} */
let picked = null;
/** @type {AbortController|null} */
let running = null;

/**
 * Say what went wrong; no words clear the message.
 * @param {string} words
 * @param {boolean} [again] whether the same may work another time
 */
function complain(words, again = false) {
  part("fault").hidden = !words;
  part("fault-again").hidden = !again;
  part("fault-words").textContent = words;
}

/** @param {"choosing"|"working"|"done"} state */
function show(state) {
  part("drop").hidden = state === "done";
  part("working").hidden = state !== "working";
  part("result").hidden = state !== "done";
  go.disabled = state === "working" || !picked;
}

/** Take a file; of several at once, the last. */
const take = newestOnly(async (/** @type {File} */ given) => {
  running?.abort();
  complain("");
  go.disabled = true;
  try {
    const fresh = await pick(given, limits);
    if (picked) URL.revokeObjectURL(picked.url);
    picked = fresh;
  } catch (error) {
    go.disabled = !picked;
    return complain(error instanceof UnfitError ? error.message : messageOf(error));
  }
  const { name, url, width, height } = picked;
  Object.assign(part("thumb"), { src: url, alt: `Your picture ${name}`, width, height, hidden: false });
  part("drop-icon").hidden = true;
  part("drop-words").replaceChildren(make("strong", {}, given.name), ` · ${width} × ${height} pixels`);
  part("choose-words").textContent = "Choose another";
  describe();
  show("choosing");
  go.focus({ preventScroll: true });
});

function describe() {
  const times = scale();
  const becomes = picked && `${sizeWords(picked)} becomes ${sizeWords(picked, times)} pixels.`;
  part("size-words").textContent = [becomes, SCALE_WORDS[times]].filter(Boolean).join(" ");
  tellShare(realism, ["true to the input", "a little sharper", "sharp", "sharpest"]);
  tellShare(denoise, ["as it is", "a little cleaner", "clean", "cleanest"]);
}

/** @param {HTMLInputElement|null} slider @param {string[]} words for none, little, much, most */
function tellShare(slider, words) {
  if (!slider) return;
  const value = slider.valueAsNumber;
  const meaning = words[value === 0 ? 0 : value < 0.5 ? 1 : value < 0.9 ? 2 : 3];
  part(`${slider.name}-words`).textContent = `${Math.round(value * 100)} % · ${meaning}`;
  slider.setAttribute("aria-valuetext", `${Math.round(value * 100)} %, ${meaning}`);
}

/** @param {{width: number, height: number}} size @param {number} [times] */
function sizeWords({ width, height }, times = 1) {
  return `${width * times} × ${height * times}`;
}

/** @param {import("./backend.js").Progress} progress */
function tell({ state, share, seconds }) {
  if (share === null) part("progress").removeAttribute("value");
  else part("progress").value = share;
  say(part("working-words"), {
    sending: "Sending the picture…",
    waiting: "Waiting for its turn…",
    busy: `The server is busy. Trying again in ${Math.ceil(seconds ?? 1)} s…`,
    running: `Enlarging${seconds === undefined ? "" : `, ${inWords(seconds)} left`}…`,
  }[state]);
}

/** @param {number} seconds */
function inWords(seconds) {
  if (seconds < 3) return "a moment";
  if (seconds < 60) return `about ${seconds < 15 ? Math.round(seconds) : Math.round(seconds / 5) * 5} s`;
  return `about ${Math.round(seconds / 60)} min`;
}

async function start() {
  if (!picked || running || go.disabled) return;
  const source = picked;
  const times = scale();
  const control = new AbortController();
  running = control;
  complain("");
  show("working");
  const began = performance.now();
  try {
    const result = await upscale(source.file, {
      scale: times, realism: realism?.valueAsNumber ?? 0, denoise: denoise?.valueAsNumber ?? 0,
      signal: control.signal, onProgress: tell,
    });
    await present(source, times, result, (performance.now() - began) / 1000);
  } catch (error) {
    if (!isAbort(error)) complain(messageOf(error), error instanceof RequestError && error.passes);
    // After a new picture was taken, the page is in that picture's hands.
    if (running === control && picked === source) show("choosing");
  } finally {
    if (running === control) running = null;
    if (picked === source) go.disabled = false;
  }
}

/** @param {Picked} source @param {number} times @param {Blob} result @param {number} seconds */
async function present(source, times, result, seconds) {
  const download = part("download");
  URL.revokeObjectURL(download.href);
  const url = URL.createObjectURL(result);
  Object.assign(download, { href: url, download: `${source.name}_x${times}.png` });
  const size = { width: source.width * times, height: source.height * times };
  const weight = result.size < 1e5 ? `${Math.ceil(result.size / 1e3)} kB` : `${(result.size / 1e6).toFixed(1)} MB`;
  part("facts").textContent = `${sizeWords(size)} pixels, ${weight}, in ${seconds.toFixed(1)} s`;
  const large = size.width * size.height > MOST_SHOWN_PIXELS;
  part("compare").hidden = large;
  show("done");
  if (!large) await compare.show(source.url, url);
  else part("facts").append(". Too large to show here; download it to look at it.");
  part("result-title").focus({ preventScroll: true });
  part("result").scrollIntoView({ block: "nearest" });
}

listen(part("drop"), file, take, complain);
form.addEventListener("submit", (/** @type {Event} */ event) => { event.preventDefault(); start(); });
form.addEventListener("input", (/** @type {Event} */ event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input.name === "zoom") compare.zoom(input.value === "full");
  else if (input.name === "before") compare.before.classList.toggle("blocks", input.value === "pixels");
  else describe();
});
onClick("[data-cancel]", () => {
  running?.abort();
  show("choosing"); // before the focus: what is disabled cannot have it
  go.focus();
});
onClick("[data-again]", () => {
  show("choosing");
  file.click();
});
describe();
