// @ts-check
/** The strip of neighbours: the face itself, and eight that are some way off. */

import { showImage, watchImage } from "./cards.js";
import { make, settled } from "./common.js";
import { describe, imageUrl } from "./face.js";

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
  /** @type {Face|undefined} */
  let current;
  let spread = 0;
  const buttons = Array.from({ length: COUNT + 1 }, (_, index) => {
    const image = make("img", { className: "face-image", width: 128, height: 128, decoding: "async", alt: "" });
    const button = make("button", { type: "button", className: "face-pick", "aria-pressed": "false" }, image);
    watchImage(image);
    button.addEventListener("click", () => onPick(index ? first + index - 1 : 0));
    return button;
  });
  root.append(...buttons);

  const mark = () => {
    const chosen = current?.strength ? current.variation : 0;
    buttons.forEach((button, index) => {
      button.setAttribute("aria-pressed", String(chosen === (index ? first + index - 1 : 0)));
    });
  };
  const draw = () => {
    buttons.forEach((button, index) => {
      const image = button.querySelector("img");
      if (!image || !current) return;
      const face = { ...current, variation: index ? first + index - 1 : 0, strength: index ? spread : 0 };
      image.alt = index ? describe(face) : "The face itself";
      showImage(image, imageUrl(face));
    });
    mark();
  };
  const drawSoon = settled(draw, WAIT_MS);

  return {
    show(face, distance) {
      const isNew = !current;
      current = face;
      spread = distance;
      if (face.strength && face.variation) first = face.variation - ((face.variation - 1) % COUNT);
      mark();
      if (isNew) draw();
      else drawSoon();
    },
    others() {
      first = first + 2 * COUNT - 1 > MOST ? 1 : first + COUNT;
      draw();
    },
  };
}
