// @ts-check
/** Choosing an attribute: discs and words that tell their names, and a colour of one's own. */

import { find, findAll } from "./common.js";

/**
 * @typedef {{set: (value: string) => void, shown: (value: string) => void}} Picker
 * `set` shows a choice; `shown` tells what the face shows now, a word or #rrggbb, whoever chose it
 */

/**
 * Bring the choices of the page to life.
 * @param {(name: string, value: string) => void} onPick called with the name of an attribute, and a
 *   word, #rrggbb or ""; also while a colour is dragged
 * @returns {Map<string, Picker>} by the attribute
 */
export function createPickers(onPick) {
  return new Map(findAll("[data-picker]").map((root) => [root.dataset.picker, createPicker(root, onPick)]));
}

/**
 * @param {HTMLElement} root holds radio buttons, perhaps a colour field, and perhaps a place for words
 * @param {(name: string, value: string) => void} onPick
 * @returns {Picker}
 */
function createPicker(root, onPick) {
  const place = find("[data-choice-words]", root);
  const own = find("input[type=color]", root);
  const radios = /** @type {HTMLInputElement[]} */ (findAll("input[type=radio]", root));
  let seen = "";
  let choice = "";

  const say = (/** @type {string} */ words) => { if (place) place.textContent = words; };
  const sayChoice = () => {
    const free = place?.dataset.choiceWords ?? "";
    if (choice) say(choice.startsWith("#") ? `Your own, ${choice}` : choice);
    else say(free && seen ? `${free}: ${nearestName(seen, radios)}` : free);
  };
  const set = (/** @type {string} */ value) => {
    choice = value;
    for (const radio of radios) radio.checked = radio.value === value;
    own?.classList.toggle("chosen", value.startsWith("#"));
    if (own && value.startsWith("#")) own.value = value;
    sayChoice();
  };

  root.addEventListener("input", (event) => {
    set(/** @type {HTMLInputElement} */ (event.target).value);
    onPick(root.dataset.picker ?? "", choice);
  });
  // Two greys look alike, and not everybody sees hues apart. The chosen one needs no pointing, nor
  // do keys, which choose what they reach.
  root.addEventListener("pointerover", ({ target, pointerType }) => {
    const label = /** @type {Element} */ (target).closest(".swatch[title]");
    if (label && pointerType === "mouse") say(/** @type {HTMLElement} */ (label).title);
    else sayChoice();
  });
  root.addEventListener("pointerleave", sayChoice);

  return {
    set,
    shown(value) {
      seen = value;
      if (own && value && !choice.startsWith("#")) own.value = value; // where the search for one's own begins
      if (!choice) sayChoice();
    },
  };
}

/** The name whose disc looks most like a colour; a word is one. @param {string} value @param {HTMLInputElement[]} radios */
function nearestName(value, radios) {
  const named = radios.filter((radio) => radio.dataset.colour);
  if (!value.startsWith("#") || !named.length) return value;
  const channels = (/** @type {string} */ hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const wanted = channels(value);
  const distances = named.map((radio) =>
    Math.hypot(...channels(radio.dataset.colour ?? "").map((channel, index) => channel - wanted[index])));
  return named[distances.indexOf(Math.min(...distances))].value;
}
