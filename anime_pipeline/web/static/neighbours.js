// @ts-check
/** The strip of neighbours: the face itself, and eight that are some way off. */

import { makeChoice } from "./cards.js";
import { debounce, find } from "./common.js";
import { showFace } from "./pictures.js";

/** @typedef {import("./face.js").Face} Face */

const COUNT = 8;
const MOST = 9999;
const WAIT_MS = 350; // eight pictures are worth waiting until a hand rests

/**
 * Fill the strip and keep it in step with the face.
 * @param {HTMLElement} root
 * @param {(variation: number) => void} onPick 0 for the face itself
 * @returns {{show: (face: Face, spread: number) => void, others: () => void}}
 */
export function createNeighbours(root, onPick) {
  let first = 1;
  /** @type {Face} */
  let current;
  let spread = 0;
  const variationAt = (/** @type {number} */ index) => (index ? first + index - 1 : 0);
  const buttons = Array.from({ length: COUNT + 1 }, (_, index) => makeChoice(undefined, () => onPick(variationAt(index))));
  root.append(...buttons);

  const mark = () => buttons.forEach((button, index) => {
    const chosen = current.strength ? current.variation : 0;
    button.setAttribute("aria-pressed", String(chosen === variationAt(index)));
  });
  const draw = () => buttons.forEach((button, index) => {
    const face = { ...current, variation: variationAt(index), strength: index ? spread : 0 };
    showFace(find("img", button), face, index ? undefined : "The face itself");
  });
  const drawSoon = debounce(draw, WAIT_MS);

  return {
    show(face, distance) {
      const show = current ? drawSoon : draw;
      current = face;
      spread = distance;
      if (face.strength && face.variation) first = face.variation - ((face.variation - 1) % COUNT);
      mark();
      show();
    },
    others() {
      first = first + 2 * COUNT - 1 > MOST ? 1 : first + COUNT;
      mark();
      draw();
    },
  };
}
