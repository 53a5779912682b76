// @ts-check
/** Pictures of faces in grids and strips: they fade in, and come after all when the server was busy. */

import { isAbort, messageOf, request } from "./api.js";
import { alarm, icon, make, toast } from "./common.js";
import { describe, imageUrl, studioUrl } from "./face.js";
import { favourites, storageWorks } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

/** @type {WeakMap<HTMLImageElement, AbortController>} */
const rescues = new WeakMap();
/** Says why pictures are missing. @type {(words: string) => void} */
let sayMissing = (words) => alarm(words, { label: "Try again", act: retryMissing });

/**
 * Let a page say in its own way why pictures are missing; it is told once for each of them.
 * @param {(words: string) => void} say
 */
export function onMissing(say) {
  sayMissing = say;
}

/** Fetch again all pictures of the page that could not be had. */
export function retryMissing() {
  for (const image of document.querySelectorAll("img.broken")) rescue(/** @type {HTMLImageElement} */ (image));
}

/**
 * Fade a picture in once it is there, and fetch it again, patiently, when it failed.
 * @param {HTMLImageElement} image
 */
export function watchImage(image) {
  image.addEventListener("load", () => arrived(image));
  image.addEventListener("error", () => rescue(image));
  if (!image.complete) image.classList.add("coming");
  else if (image.naturalWidth) arrived(image);
  else rescue(image); // it failed before this script ran
}

/**
 * Show another picture in a watched image.
 * @param {HTMLImageElement} image
 * @param {string} url
 */
export function showImage(image, url) {
  if (image.dataset.url === url && !image.classList.contains("broken")) return;
  rescues.get(image)?.abort();
  image.dataset.url = url;
  image.classList.remove("broken");
  image.classList.add("coming");
  image.parentElement?.classList.remove("still");
  image.src = url;
}

/** @param {HTMLImageElement} image */
function arrived(image) {
  image.classList.remove("coming", "broken");
  image.parentElement?.classList.add("still");
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
}

/** @param {HTMLImageElement} image */
async function rescue(image) {
  const url = image.dataset.url ?? image.getAttribute("src") ?? "";
  if (!url || url.startsWith("blob:")) return;
  rescues.get(image)?.abort();
  const control = new AbortController();
  rescues.set(image, control);
  image.dataset.url = url;
  image.classList.remove("broken");
  image.classList.add("coming");
  image.parentElement?.classList.remove("still");
  try {
    const response = await request(url, { signal: control.signal });
    const blob = await response.blob();
    if (!control.signal.aborted) image.src = URL.createObjectURL(blob);
  } catch (error) {
    if (isAbort(error)) return;
    image.classList.remove("coming");
    image.classList.add("broken");
    image.parentElement?.classList.add("still");
    sayMissing(messageOf(error));
  }
}

/**
 * Make one face of a grid, like the server's own.
 * @param {Face} face
 * @param {"eager"|"lazy"} [loading] lazy: only once it is near the window
 * @returns {HTMLLIElement}
 */
export function makeCard(face, loading = "eager") {
  const image = make("img", { className: "face-image", width: 128, height: 128, decoding: "async", fetchPriority: "low", alt: "", loading });
  const link = make("a", { className: "face-link" }, image);
  const heart = make("button", { className: "heart", type: "button" }, icon("heart"));
  const card = make("li", { className: "face" }, link, heart);
  watchImage(image);
  fillCard(card, face);
  return card;
}

/**
 * Let a card show a face.
 * @param {HTMLElement} card
 * @param {Face} face
 */
export function fillCard(card, face) {
  const image = card.querySelector("img");
  const link = card.querySelector("a");
  if (!image || !link) return;
  card.dataset.seed = face.seed;
  link.href = studioUrl(face);
  image.alt = describe(face);
  showImage(image, imageUrl(face));
  const heart = card.querySelector(".heart");
  if (heart) paintHeart(heart, face, favourites.has(face));
}

/**
 * Serve the hearts inside an element.
 * @param {HTMLElement} root
 * @param {(card: HTMLElement) => Face} faceOf
 */
export function serveHearts(root, faceOf) {
  root.addEventListener("click", (event) => {
    const heart = event.target instanceof Element ? event.target.closest(".heart") : null;
    const card = heart?.closest("li");
    if (heart && card) toggleHeart(heart, faceOf(card));
  });
}

/**
 * Keep a face or let it go, and say so.
 * @param {Element} heart
 * @param {Face} face
 */
export function toggleHeart(heart, face) {
  const kept = favourites.toggle(face);
  paintHeart(heart, face, kept);
  heart.classList.toggle("popped", kept);
  if (!kept) toast("Taken out of your favourites.", { label: "Undo", act: () => toggleHeart(heart, face) });
  else if (storageWorks()) toast("Kept in your favourites.");
  else toast("Kept while this page is open: this browser stores nothing.");
}

/**
 * @param {Element} heart
 * @param {Face} face
 * @param {boolean} kept
 */
export function paintHeart(heart, face, kept) {
  heart.setAttribute("aria-pressed", String(kept));
  heart.setAttribute("aria-label", `Keep the face of seed ${face.seed}`);
}
