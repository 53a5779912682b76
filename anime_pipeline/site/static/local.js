// @ts-check
/** What the pages ask for, answered by the networks in this browser; the same functions as `api.js`. */

import { recall, remember } from "./album.js";
import { PACE, listen, tell } from "./begin.js";
import { find, say } from "./common.js";
import { RequestError } from "./errors.js";
import { noteServed } from "./face.js";
import { keep } from "./store.js";

/** @typedef {import("./face.js").Face} Face */
/** @typedef {import("./http.js").Patience} Patience */
/** @typedef {import("./api.js").Shown} Shown */
/** @typedef {import("./api.js").Progress} Progress */
/** @typedef {{resolve: (result: any) => void, reject: (error: unknown) => void, onPreview?: (small: Blob) => void, onProgress?: (progress: {done: number, total: number}) => void}} Asking */

const SHOW_AFTER_MS = 700; // what is kept already comes sooner

/** @type {Map<number, Asking>} */
const asking = new Map();
let asked = 0;
let ready = false;
const begun = performance.now();
listen(hear);

/** @param {any} data */
function hear({ id, result, error, status, preview, progress, arrival, pace_ms, saved, broken, ...rest }) {
  if (arrival) showArrival(arrival);
  if (pace_ms) keep(PACE, pace_ms);
  if (rest.ready) {
    ready = true;
    serveOffline();
  }
  if (saved) {
    find("[data-arrival]").hidden = true;
    if (navigator.serviceWorker) navigator.serviceWorker.ready.then(() => say(find("[data-saved]"), " · works without a network now"));
  }
  if (broken) fail(broken);
  const one = asking.get(id);
  if (preview) one?.onPreview?.(preview);
  if (progress) one?.onProgress?.(progress);
  if (result === undefined && error === undefined) return;
  asking.delete(id);
  if (error === undefined) one?.resolve(result);
  else one?.reject(new RequestError(status ? error : wordsFor(error), status));
}

/** @param {string} error */
function wordsFor(error) {
  console.debug(error);
  return navigator.onLine
    ? "Something that draws here could not be loaded, or has run out of memory. Try again, or reload the page."
    : "There is no network, and not everything that this needs has been kept yet. Try again later.";
}

/** Nothing can be drawn. @param {string} why */
function fail(why) {
  find("[data-arrival]").hidden = true;
  for (const { reject } of asking.values()) reject(new RequestError(wordsFor(why), 0));
  asking.clear();
}

/** @param {{came: number, total: number}} arrival in bytes */
function showArrival({ came, total }) {
  if (performance.now() - begun < SHOW_AFTER_MS || came >= total) return;
  find("[data-arrival]").hidden = false;
  find("[data-arrival-share]").value = came / total;
  say(find("[data-arrival-words]"), `The networks are coming: ${(came / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB`);
}

/** Keep the pages too, once there is something to see. */
function serveOffline() {
  navigator.serviceWorker?.register(new URL("service_worker.js", document.baseURI)).catch(console.debug);
}

/**
 * @param {string} kind
 * @param {Record<string, unknown>} what
 * @param {Patience & Pick<Asking, "onProgress">} [patience]
 * @returns {Promise<any>}
 */
function ask(kind, what, { signal, onPreview, onProgress } = {}) {
  const id = (asked += 1);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    asking.set(id, { resolve, reject, onPreview, onProgress });
    tell({ id, kind, ...what });
    signal?.addEventListener("abort", () => {
      if (!asking.delete(id)) return;
      tell({ id, kind: "cancel" });
      reject(signal.reason);
    }, { once: true });
  });
}

/**
 * A face, drawn now or before.
 * @param {{face: Face, size: number, urgent?: boolean}} what
 * @param {Patience} [patience]
 * @returns {Promise<import("./album.js").Drawn>}
 */
async function drawn(what, { onWait, ...patience } = {}) {
  const { face, size } = what;
  const known = await recall(face, size);
  patience.signal?.throwIfAborted();
  if (known) return known;
  onWait?.(1);
  const found = await ask("face", what, patience);
  remember(face, size, found);
  return found;
}

/** Pictures here have no address: they are asked for. */
export function imageUrl() {
  return "";
}

/** The picture of a face, as a file. @param {Face} face @param {number} size @param {Patience} [patience] @returns {Promise<Blob>} */
export async function fetchPicture(face, size, patience) {
  return (await drawn({ face, size }, patience)).picture;
}

/** @param {Face} face @param {number} size @param {Patience} [patience] @returns {Promise<Shown>} */
export async function fetchFace(face, size, { onWait, ...patience } = {}) {
  const waits = ready ? undefined : onWait;
  const { picture, shown } = await drawn({ face, size, urgent: true }, { ...patience, onWait: waits });
  return { ...shown, image: await dataUrl(picture) };
}

/** @param {Face[]} ends @param {number} frames @param {Patience} patience @returns {Promise<string[]>} data: addresses */
export async function fetchBlend(ends, frames, patience) {
  return Promise.all((await ask("blend", { ends, frames }, patience)).map(dataUrl));
}

/** @param {Face[]} ends @param {number} frames @param {number} fps @param {Patience} patience @returns {Promise<Blob>} */
export function fetchFilm(ends, frames, fps, patience) {
  return ask("film", { ends, frames, fps }, patience);
}

/** The weights are those that the page names. */
export async function learnServed() {
  noteServed("", document.body.dataset.weights ?? "");
}

/**
 * @param {Blob} picture
 * @param {{scale: number, realism: number, denoise: number, signal: AbortSignal, onProgress: (progress: Progress) => void}} options
 * @returns {Promise<Blob>}
 */
export async function upscale(picture, { scale, realism, denoise, signal, onProgress }) {
  onProgress({ state: "waiting", share: null });
  let began = 0;
  return ask("upscale", { picture, scale, realism, denoise }, { signal, onProgress({ done, total }) {
    began ||= performance.now();
    const seconds = done ? ((performance.now() - began) / 1000 / done) * (total - done) : undefined;
    onProgress({ state: "running", share: done / total, seconds });
  } });
}

/** @param {Blob} blob @returns {Promise<string>} */
function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(/** @type {string} */ (reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
