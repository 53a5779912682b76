// @ts-check
/** Latents of faces and of the way between them, as `inference/pipeline.py` and `latents.py` make them. */

import { draw } from "./random.js";

/** @typedef {import("./face.js").Face} Face */

/**
 * The latent of a face, moved to its neighbour and truncated.
 * @param {Face} face
 * @param {number} dim
 * @param {string} distribution
 */
export function latentOf(face, dim, distribution) {
  const latent = draw(face.seed, "latent", 0, dim, distribution);
  const [kept, added] = [Math.sqrt(1 - face.strength ** 2), Math.fround(face.strength)];
  const noise = face.strength ? draw(face.seed, "variation", face.variation, dim, distribution) : latent;
  const truncation = Math.fround(face.truncation);
  return latent.map((value, i) => {
    const moved = face.strength ? kept * value + Math.fround(added * noise[i]) : value;
    return Math.fround(moved) * truncation;
  });
}

/**
 * Go from key to key, each leg eased at its ends.
 * @param {Float32Array[]} keys at least two
 * @param {number} frames of each leg
 * @param {boolean} loop whether to return to the first; else the last key ends the walk
 * @param {boolean} spherical for latents; conditions go straight
 * @returns {Float32Array[]}
 */
export function walk(keys, frames, loop, spherical) {
  const ends = loop ? [...keys.slice(1), keys[0]] : keys.slice(1);
  const go = spherical ? slerp : straight;
  const legs = ends.flatMap((end, leg) => Array.from({ length: frames }, (_, frame) => {
    const t = frame / frames;
    return go(keys[leg], end, t * t * (3 - 2 * t));
  }));
  return loop ? legs : [...legs, keys[keys.length - 1]];
}

/** @param {Float32Array} first @param {Float32Array} second @param {number} t */
function straight(first, second, t) {
  return first.map((value, i) => value + t * (second[i] - value));
}

/** White, "Sampling generative networks", 2016. @param {Float32Array} first @param {Float32Array} second @param {number} t */
function slerp(first, second, t) {
  const [a, b] = [length(first), length(second)];
  if (!Math.min(a, b)) return straight(first, second, t);
  const cosine = first.reduce((sum, value, i) => sum + (value / a) * (second[i] / b), 0);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
  const sine = Math.sin(angle);
  const [one, other] = sine < 1e-6 ? [1 - t, t] : [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
  const reach = a + t * (b - a);
  return first.map((value, i) => (one * (value / a) + other * (second[i] / b)) * reach);
}

/** @param {Float32Array} vector */
function length(vector) {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}
