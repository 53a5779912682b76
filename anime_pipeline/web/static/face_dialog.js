// @ts-check
/** The dialog in which a face is chosen: favourites, recent ones, strangers, or by its seed. */

import { makeChoice } from "./cards.js";
import { find } from "./common.js";
import { PLAIN, randomSeed, readSeed } from "./face.js";
import { favourites, recent } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

const SHOWN = 24;
const STRANGERS = 6;

/**
 * Prepare the dialog.
 * @param {HTMLDialogElement} dialog
 * @returns {(onPick: (face: Face) => void) => void} opens it
 */
export function createFaceDialog(dialog) {
  const seed = /** @type {HTMLInputElement} */ (find("#picker-seed", dialog));
  /** @type {(face: Face) => void} */
  let onPick = () => {};

  const take = (/** @type {Face} */ face) => {
    dialog.close();
    onPick(face);
  };
  const offer = (/** @type {string} */ name, /** @type {Face[]} */ faces) => {
    const section = find(`[data-list=${name}]`, dialog);
    section.hidden = faces.length === 0;
    // Without weights: a face that was kept under others can still be drawn by those served now.
    const choices = faces.map((face) => makeChoice({ ...face, weights: "" }, () => take(face)));
    find(".picker-grid", section).replaceChildren(...choices);
  };
  find("[data-seed-form]", dialog).addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const digits = readSeed(seed.value);
    seed.setAttribute("aria-invalid", String(digits === null));
    if (digits !== null) take({ ...PLAIN, seed: digits });
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // on the ground around it
  });

  return (whenPicked) => {
    onPick = whenPicked;
    offer("favourites", favourites.all().slice(0, SHOWN));
    offer("recent", recent.all().slice(0, SHOWN));
    offer("strangers", Array.from({ length: STRANGERS }, () => ({ ...PLAIN, seed: randomSeed() })));
    dialog.showModal();
    dialog.scrollTop = 0;
  };
}
