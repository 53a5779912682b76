// @ts-check
/** A strip of the faces that were looked at last. */

import { makeCard } from "./cards.js";
import { keyOf, readFace, writeFace } from "./face.js";
import { recent } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

const SHOWN = 12;

/**
 * Show the newest faces of the list; hidden while there is only the one on the page.
 * @param {HTMLElement} section
 * @param {string} here the key of the face on the page, which is marked
 * @param {string} served weights that draw now; a face that was kept under others is drawn by these
 * @param {(face: Face) => void} onPick
 */
export function showRecent(section, here, served, onPick) {
  const strip = /** @type {HTMLElement} */ (section.querySelector("[data-recent-strip]"));
  const faces = recent.all().slice(0, SHOWN);
  const known = new Map([...strip.children].map((card) => [/** @type {HTMLElement} */ (card).dataset.key, card]));
  const cards = faces.map((face) => {
    const card = /** @type {HTMLElement} */ (known.get(keyOf(face)) ?? newCard(face, served, onPick));
    const link = card.querySelector("a");
    if (keyOf(face) === here) link?.setAttribute("aria-current", "true");
    else link?.removeAttribute("aria-current");
    return card;
  });
  strip.replaceChildren(...cards);
  section.hidden = faces.length < 2;
}

/** @param {Face} face @param {string} served @param {(face: Face) => void} onPick */
function newCard(face, served, onPick) {
  const card = makeCard({ ...face, weights: face.model ? "" : served }, "lazy");
  card.dataset.key = keyOf(face);
  card.querySelector(".heart")?.remove();
  card.querySelector("a")?.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
    event.preventDefault();
    onPick(readFace(writeFace(face)));
  });
  return card;
}
