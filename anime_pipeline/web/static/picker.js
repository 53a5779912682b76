// @ts-check
/** The dialog in which a face is chosen: favourites, recent ones, strangers, or by its seed. */

import { showImage, watchImage } from "./cards.js";
import { make } from "./common.js";
import { PLAIN, describe, diceSeed, imageUrl, readSeed } from "./face.js";
import { favourites, recent } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

const SHOWN = 24;
const STRANGERS = 6;

/**
 * Prepare the dialog.
 * @param {HTMLDialogElement} dialog
 * @returns {(onPick: (face: Face) => void) => void} opens it
 */
export function createFacePicker(dialog) {
  const seed = /** @type {HTMLInputElement} */ (dialog.querySelector("#picker-seed"));
  /** @type {(face: Face) => void} */
  let pick = () => {};

  /** @param {Face} face */
  const take = (face) => {
    dialog.close();
    pick(face);
  };
  dialog.querySelector("[data-seed-form]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const digits = readSeed(seed.value);
    seed.setAttribute("aria-invalid", String(digits === null));
    if (digits !== null) take({ ...PLAIN, seed: digits });
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // on the ground around it
  });

  return (onPick) => {
    pick = onPick;
    for (const [name, list] of /** @type {const} */ ([["favourites", favourites], ["recent", recent]])) {
      const section = /** @type {HTMLElement} */ (dialog.querySelector(`[data-list=${name}]`));
      const faces = list.all().slice(0, SHOWN);
      section.hidden = faces.length === 0;
      section.querySelector(".picker-grid")?.replaceChildren(...faces.map((face) => choice(face, take)));
    }
    const strangers = Array.from({ length: STRANGERS }, () => ({ ...PLAIN, seed: diceSeed() }));
    dialog.querySelector("[data-strangers]")?.replaceChildren(...strangers.map((face) => choice(face, take)));
    dialog.showModal();
    dialog.scrollTop = 0;
  };
}

/** @param {Face} face @param {(face: Face) => void} take */
function choice(face, take) {
  const image = make("img", { className: "face-image", width: 128, height: 128, alt: describe(face) });
  const button = make("button", { type: "button", className: "face-pick" }, image);
  watchImage(image);
  // Without weights: a face that was kept under others can still be drawn by those served now.
  showImage(image, imageUrl({ ...face, weights: "" }));
  button.addEventListener("click", () => take(face));
  return button;
}
