// @ts-check
/** The page that enlarges a picture: choose, send, wait, compare, download. */

import { isAbort, messageOf, RequestError } from "./api.js";
import { Compare } from "./compare.js";
import { listen, pick, UnfitError } from "./picked.js";
import { enlarge } from "./upload.js";

/** @typedef {import("./picked.js").Picked} Picked */

// Browsers fail at showing larger pictures, or run out of memory.
const MOST_SHOWN_PIXELS = 64_000_000;

const form = /** @type {HTMLFormElement} */ (document.querySelector("[data-upscale]"));
const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (form.querySelector(`[data-${name}]`));
const limits = { bytes: Number(form.dataset.uploadBytes), pixels: Number(form.dataset.uploadPixels) };
const drop = part("drop");
const thumb = /** @type {HTMLImageElement} */ (part("thumb"));
const go = /** @type {HTMLButtonElement} */ (part("go"));
const realism = /** @type {HTMLInputElement|null} */ (form.querySelector("[name=realism]"));
const download = /** @type {HTMLAnchorElement} */ (part("download"));
const compare = new Compare(part("result"));

/** @type {Picked|null} */
let picked = null;
/** @type {AbortController|null} */
let running = null;
let resultUrl = "";
let pickings = 0; // how many files were begun to be looked at; only the newest counts

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
  drop.hidden = state === "done";
  part("working").hidden = state !== "working";
  part("result").hidden = state !== "done";
  go.disabled = state === "working" || !picked;
}

function scale() {
  return Number(new FormData(form).get("scale"));
}

/** @param {File} file */
async function take(file) {
  running?.abort();
  complain("");
  pickings += 1;
  const mine = pickings;
  go.disabled = true;
  try {
    const fresh = await pick(file, limits);
    if (mine !== pickings) return URL.revokeObjectURL(fresh.url);
    if (picked) URL.revokeObjectURL(picked.url);
    picked = fresh;
  } catch (error) {
    if (mine !== pickings) return;
    go.disabled = !picked;
    complain(error instanceof UnfitError ? error.message : messageOf(error));
    return;
  }
  thumb.src = picked.url;
  thumb.alt = `Your picture ${picked.name}`;
  thumb.width = picked.width;
  thumb.height = picked.height;
  thumb.hidden = false;
  part("drop-icon").hidden = true;
  const name = document.createElement("strong");
  name.textContent = picked.file.name;
  part("drop-words").replaceChildren(name, ` · ${picked.width} × ${picked.height} pixels`);
  part("choose-words").textContent = "Choose another";
  describe();
  show("choosing");
  go.focus({ preventScroll: true });
}

function describe() {
  const times = scale();
  const words = { 2: "Made at four times, then reduced.", 3: "Made at four times, then reduced.",
    4: "Four times is what the network was trained for.", 8: "The network goes over it twice." }[times] ?? "";
  part("size-words").textContent = picked
    ? `${picked.width} × ${picked.height} becomes ${picked.width * times} × ${picked.height * times} pixels. ${words}` : words;
  if (realism) {
    const value = Number(realism.value);
    const meaning = value === 0 ? "true to the input" : value < 0.5 ? "a little sharper" : value < 0.9 ? "sharp" : "sharpest";
    part("realism-words").textContent = `${Math.round(value * 100)} % · ${meaning}`;
    realism.setAttribute("aria-valuetext", `${Math.round(value * 100)} %, ${meaning}`);
  }
}

/** @param {import("./upload.js").Progress} progress */
function tell({ state, share, seconds }) {
  const bar = part("progress");
  bar.classList.toggle("busy", share === null);
  const fill = /** @type {HTMLElement} */ (bar.firstElementChild);
  if (share === null) {
    fill.style.removeProperty("width");
    bar.removeAttribute("aria-valuenow");
  } else {
    fill.style.width = `${share * 100}%`;
    bar.setAttribute("aria-valuenow", String(Math.round(share * 100)));
  }
  const left = seconds === undefined ? "" : `, ${inWords(seconds)} left`;
  const words = {
    sending: "Sending the picture…",
    waiting: "Waiting for its turn…",
    busy: `The server is busy. Trying again in ${Math.ceil(seconds ?? 1)} s…`,
    running: `Enlarging${left}…`,
  }[state];
  const place = part("working-words");
  // Written only when it differs: each change is read out.
  if (place.textContent !== words) place.textContent = words;
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
  tell({ state: "sending", share: null });
  const began = performance.now();
  try {
    const result = await enlarge(source.file, {
      scale: times, realism: Number(realism?.value ?? 0), signal: control.signal, onProgress: tell,
    });
    await present(source, times, result, (performance.now() - began) / 1000);
  } catch (error) {
    if (!isAbort(error)) complain(messageOf(error), isPassing(error));
    // After a new picture was taken, the page is in that picture's hands.
    if (running === control && picked === source) show("choosing");
  } finally {
    if (running === control) running = null;
    if (picked === source) go.disabled = false;
  }
}

/** @param {unknown} error */
function isPassing(error) {
  return error instanceof RequestError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

/** @param {number} bytes */
function weight(bytes) {
  return bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** @param {Picked} source @param {number} times @param {Blob} result @param {number} seconds */
async function present(source, times, result, seconds) {
  URL.revokeObjectURL(resultUrl);
  resultUrl = URL.createObjectURL(result);
  download.href = resultUrl;
  download.download = `${source.name}_x${times}.png`;
  const size = { width: source.width * times, height: source.height * times };
  part("facts").textContent =
    `${size.width} × ${size.height} pixels, ${weight(result.size)}, in ${seconds.toFixed(1)} s`;
  const large = size.width * size.height > MOST_SHOWN_PIXELS;
  part("compare").hidden = large;
  /** @type {HTMLElement} */ (part("compare-range").parentElement).hidden = large;
  show("done");
  if (!large) await compare.show(source.url, resultUrl, size);
  else part("facts").append(". Too large to show here; download it to look at it.");
  part("result-title").focus({ preventScroll: true });
  part("result").scrollIntoView({ block: "nearest" });
}

listen(drop, /** @type {HTMLInputElement} */ (form.querySelector("#upscale-file")), take, complain);
form.addEventListener("submit", (event) => { event.preventDefault(); start(); });
form.addEventListener("input", (event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input.name === "zoom") compare.zoom(input.value === "full");
  else if (input.name === "before") compare.pixelate(input.value === "pixels");
  else describe();
});
part("cancel").addEventListener("click", () => {
  running?.abort();
  show("choosing"); // before the focus: what is disabled cannot have it
  go.focus();
});
part("again").addEventListener("click", () => {
  show("choosing");
  /** @type {HTMLInputElement} */ (form.querySelector("#upscale-file")).click();
});
describe();
