// @ts-check
/** What faces are asked to show, as the numbers of `data/conditions.py`. */

import { labToRgb, rgbToLab } from "./lab.js";
import { Stream } from "./random.js";

/** @typedef {{name: string, first: number, count: number, words: string[]|null, strength: number|null, centre: number[]|null, spread: number[]|null}} Part */
/** @typedef {import("./face.js").Face} Face */

/**
 * The condition of a face: that of a training picture, with what is asked for in its place.
 * @param {Face} face
 * @param {{parts: Part[], table: Float32Array, rows: number}} known
 * @param {Record<string, Record<string, string>>} colours by part and name, #rrggbb
 * @returns {Float32Array}
 */
export function conditionOf(face, { parts, table, rows }, colours) {
  const width = table.length / rows;
  const row = parts.length ? new Stream(face.seed, "condition").below(rows) : 0;
  const condition = table.slice(row * width, (row + 1) * width);
  for (const part of parts) {
    const asked = face[/** @type {"hair"} */ (part.name)];
    if (asked) condition.set(encode(part, asked, colours), part.first);
  }
  return condition;
}

/** @param {Part} part @param {string} asked a word, or #rrggbb @param {Record<string, Record<string, string>>} colours */
function encode({ name, count, words, strength, centre, spread }, asked, colours) {
  if (words) return Float32Array.from(words, (word) => (word === asked ? strength ?? 0 : 0));
  if (!centre || !spread) return new Float32Array(count);
  const hex = colours[name][asked] ?? asked;
  const rgb = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const lab = rgbToLab(rgb).map((value, i) => Math.fround(Math.fround(value - centre[i]) / Math.fround(spread[i])));
  return Float32Array.from([...lab, 1]);
}

/**
 * What a condition asks for, by name: colours as #rrggbb, and words; what is left open is left out.
 * @param {Float32Array} condition
 * @param {Part[]} parts
 * @returns {Record<string, string>}
 */
export function askedBy(condition, parts) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const { name, first, count, words, strength, centre, spread } of parts) {
    const values = [...condition.slice(first, first + count)];
    if (words && Math.max(...values) > (strength ?? 0) / 2) found[name] = words[values.indexOf(Math.max(...values))];
    else if (centre && spread && values[count - 1]) {
      const lab = centre.map((middle, i) => Math.fround(Math.fround(values[i] * Math.fround(spread[i])) + middle));
      found[name] = `#${labToRgb(lab).map((value) => value.toString(16).padStart(2, "0")).join("")}`;
    }
  }
  return found;
}
