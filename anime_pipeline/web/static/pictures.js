// @ts-check
/** Pictures of faces: they fade in, come after all when the server was busy, and are saved. */

import { fetchPicture, imageUrl, isAbort, messageOf } from "./backend.js";
import { alarm, find, findAll, make, saveBlob, showProblem, toast } from "./common.js";
import { describe, faceQuery } from "./face.js";

/** @typedef {import("./face.js").Face} Face */

/** @typedef {{face: Face, rescue?: AbortController}} Showing what an image shows, and its rescue if there is one */
/** @type {WeakMap<HTMLImageElement, Showing>} */
const shown = new WeakMap();
const nearby = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    bring(/** @type {HTMLImageElement} */ (target));
  }
}, { rootMargin: "300px" });

/** Fetch again all pictures of the page that could not be had. */
export function retryMissing() {
  findAll("img.broken").forEach(bring);
}

/**
 * Make the picture of a face.
 * @param {Face} [face] none yet, if it is told later with `showFace`
 * @param {"eager"|"lazy"} [loading] lazy: only once it is near the window
 */
export function makePicture(face, loading = "eager") {
  const image = make("img", { className: "face-image", width: 128, height: 128, decoding: "async", fetchPriority: "low", alt: "", loading });
  if (face) showFace(image, face);
  return image;
}

/**
 * Show a face in an image.
 * @param {HTMLImageElement} image one of the server's may show it already
 * @param {Face} face
 * @param {string} [words] instead of its description
 */
export function showFace(image, face, words) {
  const url = imageUrl(face);
  const before = shown.get(image);
  const name = url || faceQuery(face);
  const same = (before ? image.dataset.face : image.getAttribute("src")) === name;
  image.alt = words ?? describe(face);
  if (before && same && !image.classList.contains("broken")) return;
  Object.assign(image.dataset, { seed: face.seed, face: name });
  image.onload = () => arrive(image);
  image.onerror = () => { if (!image.src.startsWith("blob:")) bring(image); };
  before?.rescue?.abort();
  shown.set(image, { face });
  if (!url) {
    mark(image, "coming");
    whenNear(image, bring);
  } else if (before || !same) {
    mark(image, "coming");
    image.src = url;
  } else if (!image.complete) mark(image, "coming");
  else if (image.naturalWidth) arrive(image);
  else bring(image); // it failed before this script ran
}

/** @param {HTMLImageElement} image @param {"coming"|"broken"|"there"} state */
function mark(image, state) {
  image.classList.toggle("coming", state === "coming");
  image.classList.toggle("broken", state === "broken");
  image.parentElement?.classList.toggle("still", state !== "coming");
}

/** @param {HTMLImageElement} image */
function arrive(image) {
  mark(image, "there");
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
}

/** Do something with an image at once, or, if it is lazy, when it comes near the window. @param {HTMLImageElement} image @param {(image: HTMLImageElement) => void} act */
function whenNear(image, act) {
  if (image.loading !== "lazy") return act(image);
  nearby.observe(image);
}

/** Fetch a picture, patiently. @param {HTMLImageElement} image */
async function bring(image) {
  const { face, rescue: before } = shown.get(image) ?? {};
  if (!face) return;
  before?.abort();
  const control = new AbortController();
  const put = (/** @type {Blob} */ blob, small = false) => {
    if (control.signal.aborted) return;
    image.classList.toggle("pixels", small);
    image.src = URL.createObjectURL(blob);
  };
  shown.set(image, { face, rescue: control });
  mark(image, "coming");
  try {
    put(await fetchPicture(face, 128, { signal: control.signal, onPreview: (blob) => put(blob, true) }));
  } catch (error) {
    if (isAbort(error)) return;
    mark(image, "broken");
    // Once for all pictures, where the page has a place for it.
    if (find("[data-problem]")) showProblem(messageOf(error));
    else alarm(messageOf(error), { label: "Try again", act: retryMissing });
  }
}

/**
 * Save what the server makes; its button waits, and a failure is said with a way to try again.
 * @param {HTMLElement} button
 * @param {string} name of the file
 * @param {(patience: import("./backend.js").Patience) => Promise<Blob>} ask
 */
export async function saveFrom(button, name, ask) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    saveBlob(await ask({ onWait: () => toast("The server is busy; one moment.") }), name);
  } catch (error) {
    alarm(messageOf(error), { label: "Try again", act: () => saveFrom(button, name, ask) });
  } finally {
    button.removeAttribute("aria-disabled");
  }
}
