// @ts-check
/** Pictures of faces: they fade in, come after all when the server was busy, and are saved. */

import { fetchPicture, imageUrl, isAbort, messageOf } from "./backend.js";
import { alarm, find, findAll, make, saveBlob, showProblem, toast } from "./common.js";
import { describe } from "./face.js";

/** @typedef {import("./face.js").Face} Face */

/** @typedef {{face: Face, rescue?: AbortController}} Showing what an image shows, and its rescue if there is one */
/** @type {WeakMap<HTMLImageElement, Showing>} */
const shown = new WeakMap();

/** Fetch again all pictures of the page that could not be had. */
export function retryMissing() {
  findAll("img.broken").forEach(rescue);
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
  const same = (before ? imageUrl(before.face) : image.getAttribute("src")) === url;
  image.alt = words ?? describe(face);
  if (before && same && !image.classList.contains("broken")) return;
  image.onload = () => arrive(image);
  image.onerror = () => rescue(image);
  before?.rescue?.abort();
  shown.set(image, { face });
  if (before || !same) {
    mark(image, "coming");
    image.src = url;
  } else if (!image.complete) mark(image, "coming");
  else if (image.naturalWidth) arrive(image);
  else rescue(image); // it failed before this script ran
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

/** Fetch a picture again, patiently. @param {HTMLImageElement} image */
async function rescue(image) {
  const { face, rescue: before } = shown.get(image) ?? {};
  if (!face || image.src.startsWith("blob:")) return;
  before?.abort();
  const control = new AbortController();
  shown.set(image, { face, rescue: control });
  mark(image, "coming");
  try {
    const blob = await fetchPicture(face, 128, { signal: control.signal });
    if (!control.signal.aborted) image.src = URL.createObjectURL(blob);
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
