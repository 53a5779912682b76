// @ts-check
/** Choosing a colour: named discs, and a wheel of one's own with sliders for the keyboard. */

import { paintRange } from "./common.js";
import { hexOf, hslOf } from "./face.js";
import { nameWhatIsPointedAt } from "./swatches.js";

const START = "#b48a9c"; // where the wheel begins while nothing is known of the face

/**
 * Bring a colour picker to life.
 * @param {HTMLElement} root the card with the discs and the wheel's panel; data-picker is the part
 * @param {(value: string) => void} onPick called with a name, #rrggbb or "", also while dragging
 * @returns {{set: (value: string) => void, shown: (hex: string) => void}}
 *   `set` shows a choice; `shown` tells what the face shows now, whoever chose it
 */
export function createPicker(root, onPick) {
  const part = root.dataset.picker;
  const panel = find(root, "[data-wheel-panel]");
  const wheel = find(root, "[data-wheel]");
  const dot = find(root, "[data-dot]");
  const words = find(root, "[data-swatch-name]");
  const hex = /** @type {HTMLInputElement} */ (find(root, "[data-hex]"));
  const fault = find(root, "[data-hex-fault]");
  const [hue, saturation, lightness] = ["hue", "saturation", "lightness"].map((name) =>
    /** @type {HTMLInputElement} */ (find(root, `#${part}-${name}`)));
  const radios = /** @type {HTMLInputElement[]} */ ([...root.querySelectorAll("input[type=radio]")]);
  let own = START;
  let seen = "";
  let choice = "";

  const read = () => hexOf(Number(hue.value), Number(saturation.value) / 100, Number(lightness.value) / 100);

  /** Paint wheel and words from the sliders. */
  const paint = () => {
    const angle = (Number(hue.value) * Math.PI) / 180;
    const reach = Number(saturation.value) / 2;
    dot.style.left = `${50 + reach * Math.sin(angle)}%`;
    dot.style.top = `${50 - reach * Math.cos(angle)}%`;
    dot.style.background = read();
    wheel.style.setProperty("--light", `${lightness.value}%`);
    panel.style.setProperty("--hue", hue.value);
    panel.style.setProperty("--strong", `${saturation.value}%`);
    for (const [input, unit] of /** @type {[HTMLInputElement, string][]} */ ([[hue, "°"], [saturation, " %"], [lightness, " %"]])) {
      paintRange(input);
      const output = root.querySelector(`[data-output="${input.id}"]`);
      if (output) output.textContent = `${input.value}${unit}`;
    }
  };

  /** @param {string} value #rrggbb */
  const place = (value) => {
    const colour = hslOf(value);
    if (colour.saturation) hue.value = String(Math.round(colour.hue));
    saturation.value = String(Math.round(colour.saturation * 100));
    lightness.value = String(Math.round(colour.lightness * 100));
    hex.value = value;
    judgeCode(false);
    own = value;
    paint();
  };

  /** @param {string} value */
  const describeChoice = (value) => {
    choice = value;
    words.textContent = value.startsWith("#") ? `Your own, ${value}` : value || (seen ? `As the seed draws it: ${nearestName(seen, radios)}` : "As the seed draws it");
  };

  /** @param {boolean} wrong */
  const judgeCode = (wrong) => {
    if (wrong) hex.setAttribute("aria-invalid", "true");
    else hex.removeAttribute("aria-invalid");
    fault.textContent = wrong ? "A code has six digits or letters from a to f, as in #c04a7e. The colour is still the one before." : "";
  };

  const pickOwn = () => {
    own = read();
    hex.value = own;
    judgeCode(false);
    paint();
    describeChoice(own);
    onPick(own);
  };

  /** @param {PointerEvent} event */
  const follow = (event) => {
    const box = wheel.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width - 0.5;
    const y = (event.clientY - box.top) / box.height - 0.5;
    hue.value = String(Math.round((Math.atan2(x, -y) * 180) / Math.PI + 360) % 360);
    saturation.value = String(Math.round(Math.min(1, Math.hypot(x, y) * 2) * 100));
    pickOwn();
  };

  nameWhatIsPointedAt(root, (name) => { words.textContent = name; }, () => describeChoice(choice));
  wheel.addEventListener("pointerdown", (event) => {
    wheel.setPointerCapture(event.pointerId);
    follow(event);
  });
  wheel.addEventListener("pointermove", (event) => {
    if (wheel.hasPointerCapture(event.pointerId)) follow(event);
  });
  for (const input of [hue, saturation, lightness]) input.addEventListener("input", pickOwn);
  hex.addEventListener("change", () => {
    const typed = hex.value.trim().toLowerCase().replace(/^#?/, "#");
    const text = /^#[0-9a-f]{3}$/.test(typed) ? typed.replace(/[0-9a-f]/g, "$&$&") : typed;
    const good = /^#[0-9a-f]{6}$/.test(text);
    judgeCode(!good);
    if (!good) return;
    place(text);
    describeChoice(text);
    onPick(text);
  });
  for (const radio of radios) {
    radio.addEventListener("change", () => {
      panel.hidden = radio.value !== "own";
      if (radio.value !== "own") {
        describeChoice(radio.value);
        onPick(radio.value);
      } else {
        place(seen || own);
        describeChoice(own);
        onPick(own);
      }
    });
  }

  return {
    set(value) {
      const wanted = value.startsWith("#") ? "own" : value;
      const radio = radios.find((each) => each.value === wanted);
      for (const each of radios) each.checked = each === radio;
      panel.hidden = wanted !== "own";
      if (wanted === "own" && value !== own) place(value);
      describeChoice(value);
    },
    shown(value) {
      seen = value;
      const chosen = radios.find((each) => each.checked)?.value ?? "";
      if (!chosen) describeChoice("");
    },
  };
}

/**
 * The name whose disc looks most like a colour.
 * @param {string} hex
 * @param {HTMLInputElement[]} radios
 */
function nearestName(hex, radios) {
  const channels = (/** @type {string} */ text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  const wanted = channels(hex);
  const distance = (/** @type {HTMLInputElement} */ radio) =>
    Math.hypot(...channels(radio.dataset.colour ?? "").map((value, index) => value - wanted[index]));
  const named = radios.filter((radio) => radio.dataset.colour);
  return named.length ? named.reduce((best, next) => (distance(next) < distance(best) ? next : best)).value : hex;
}

/** @param {HTMLElement} root @param {string} selector @returns {HTMLElement} */
function find(root, selector) {
  return /** @type {HTMLElement} */ (root.querySelector(selector));
}
