// @ts-check
/** Faces in grids and strips: links to the studio, with hearts that keep them. */

import { find, findAll, icon, make, toast } from "./common.js";
import { keyOf, studioUrl } from "./face.js";
import { makePicture, showFace } from "./pictures.js";
import { favourites, storageWorks } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

/**
 * Make one face of a grid, like the server's own.
 * @param {Face} face
 * @param {"eager"|"lazy"} [loading]
 * @returns {HTMLLIElement}
 */
export function makeCard(face, loading) {
  const link = make("a", { className: "face-link" }, makePicture(undefined, loading));
  const heart = make("button", { className: "heart", type: "button" }, icon("heart"));
  const card = make("li", { className: "face" }, link, heart);
  fillCard(card, face);
  return card;
}

/** Let a card show a face; one of the server's may show it already. @param {HTMLElement} card @param {Face} face */
export function fillCard(card, face) {
  Object.assign(card.dataset, { seed: face.seed, key: keyOf(face) });
  find("a", card).href = studioUrl(face);
  showFace(find("img", card), face);
  paintHeart(find(".heart", card), face);
}

/**
 * Show faces as cards; those that are there already stay as they are.
 * @param {HTMLElement} place
 * @param {Face[]} faces
 * @param {(face: Face) => HTMLElement} newCard
 */
export function showCards(place, faces, newCard) {
  const known = new Map(findAll("[data-key]", place).map((card) => [card.dataset.key, card]));
  place.replaceChildren(...faces.map((face) => known.get(keyOf(face)) ?? newCard(face)));
}

/**
 * Make a button that shows a face, to be chosen.
 * @param {Face} [face] none yet, if its picture is told later
 * @param {() => void} [onclick]
 */
export function makeChoice(face, onclick) {
  return make("button", { type: "button", className: "face-pick", onclick }, makePicture(face));
}

/** Keep a face or let it go, and say so. @param {Element} heart @param {Face} face */
export function toggleHeart(heart, face) {
  const kept = favourites.toggle(face);
  paintHeart(heart, face);
  heart.classList.toggle("popped", kept);
  if (!kept) toast("Taken out of your favourites.", { label: "Undo", act: () => toggleHeart(heart, face) });
  else if (storageWorks()) toast("Kept in your favourites.");
  else toast("Kept while this page is open: this browser stores nothing.");
}

/** @param {Element} heart @param {Face} face */
export function paintHeart(heart, face) {
  heart.setAttribute("aria-pressed", String(favourites.has(face)));
  heart.setAttribute("aria-label", `Keep the face of seed ${face.seed}`);
}
