// @ts-check
/** A face spec, to and from addresses; and the sums that colours need. */

/**
 * @typedef {object} Face
 * @property {string} seed digits: seeds may be too large for a number of JavaScript
 * @property {string} hair a name, #rrggbb, or "" as the seed draws it
 * @property {string} skin likewise
 * @property {string} eyes a word, or ""
 * @property {string} length of the hair: "long", "short" or ""
 * @property {number} truncation
 * @property {number} realism
 * @property {number} variation
 * @property {number} strength
 * @property {string} model "" for the default
 * @property {string} weights "" for whatever is served
 */

/** @type {Readonly<Face>} */
export const PLAIN = Object.freeze({
  seed: "0", hair: "", skin: "", eyes: "", length: "", truncation: 1, realism: 0.75, variation: 0, strength: 0, model: "", weights: "",
});
export const MAX_SEED = 2n ** 63n - 1n;
const NUMBERS = /** @type {const} */ (["truncation", "realism", "variation", "strength"]);
/** What can be wished for, by its name in addresses. */
export const WISHES = /** @type {const} */ (["hair", "skin", "eyes", "length"]);
const WORD = /^[a-z]{2,20}$/i;
const COLOUR = /^([a-z]{2,20}|#[0-9a-f]{6})$/i;

/**
 * Read a face from a query string; what makes no sense is left at its default.
 * @param {string} query with or without "?"
 * @returns {Face}
 */
export function readFace(query) {
  const values = new URLSearchParams(query);
  /** @type {Face} */
  const face = { ...PLAIN, seed: readSeed(values.get("seed") ?? "") ?? PLAIN.seed };
  for (const part of WISHES) {
    const text = (values.get(part) ?? "").toLowerCase();
    const known = part === "hair" || part === "skin" ? COLOUR : WORD;
    if (known.test(text) && text !== "random") face[part] = text;
  }
  for (const name of NUMBERS) {
    const value = Number(values.get(name) ?? PLAIN[name]);
    if (Number.isFinite(value) && value >= 0) face[name] = value;
  }
  face.model = (values.get("model") ?? "").slice(0, 200);
  const weights = (values.get("weights") ?? "").toLowerCase();
  if (/^[0-9a-f]{8,16}$/.test(weights)) face.weights = weights;
  return face;
}

/**
 * Write a face as a query string, defaults left out, always in the same order.
 * @param {Face} face
 * @param {Record<string, string|number>} [more] such as size
 */
export function writeFace(face, more = {}) {
  const values = new URLSearchParams({ seed: face.seed });
  for (const [name, value] of Object.entries(lookOf(face))) values.set(name, String(value));
  for (const name of /** @type {const} */ (["truncation", "realism", "model", "weights"])) {
    if (face[name] !== PLAIN[name]) values.set(name, String(face[name]));
  }
  for (const [name, value] of Object.entries(more)) values.set(name, String(value));
  return values.toString();
}

/**
 * The part of a face that one stop of an interpolation has too, without its seed.
 * @param {Face} face
 * @returns {{hair?: string, skin?: string, eyes?: string, length?: string, variation?: number, strength?: number}}
 */
export function lookOf(face) {
  return {
    ...Object.fromEntries(WISHES.filter((name) => face[name]).map((name) => [name, face[name]])),
    // A neighbour at no distance is the face itself, whatever its number.
    ...(face.strength ? { variation: face.variation, strength: face.strength } : {}),
  };
}

/**
 * Tell faces apart, whatever the weights: the same key is the same wish.
 * @param {Face} face
 */
export function keyOf(face) {
  return writeFace({ ...face, weights: "" });
}

/** @param {Face} face @param {number} [size] */
export function imageUrl(face, size = 128) {
  return `/api/v1/generate?${writeFace(face, size === 128 ? {} : { size })}`;
}

/** @param {Face} face */
export function studioUrl(face) {
  return `/studio?${writeFace(face)}`;
}

/**
 * Describe a face in words, for alternative texts.
 * @param {Face} face
 * @param {{hair?: string, skin?: string, eyes?: string}} [shown] what the server says it shows
 */
export function describe(face, shown = {}) {
  const look = lookInWords({ ...face, hair: face.hair || shown.hair || "", skin: face.skin || shown.skin || "", eyes: face.eyes || shown.eyes || "" });
  const neighbour = face.strength ? `, neighbour ${face.variation} at ${Math.round(face.strength * 100)}%` : "";
  return `Face of seed ${face.seed}${neighbour}${look ? `, with ${look}` : ""}`;
}

/**
 * What is wished for in words, such as "long pink hair and blue eyes"; nothing if nothing is.
 * @param {Pick<Face, "hair"|"skin"|"eyes"|"length">} look
 */
export function lookInWords({ hair, skin, eyes, length }) {
  const parts = [
    hair || length ? `${[length, hair].filter(Boolean).join(" ")} hair` : "", skin && `${skin} skin`, eyes && `${eyes} eyes`,
  ].filter(Boolean);
  const last = parts.pop() ?? "";
  return parts.length ? `${parts.join(", ")} and ${last}` : last;
}

/** @param {Face} face @param {string|number} detail @param {string} [ending] */
export function fileName(face, detail, ending = "png") {
  const words = [face.hair, face.skin, face.eyes && `${face.eyes}-eyes`, face.length && `${face.length}-hair`];
  const parts = ["face", face.seed, ...words, face.strength ? `n${face.variation}` : "", detail];
  return `${parts.filter((part) => part !== "").join("-").replaceAll("#", "")}.${ending}`;
}

/**
 * Check a seed: its digits without leading zeros, or null.
 * @param {string} text
 */
export function readSeed(text) {
  const digits = text.trim();
  if (!/^\d{1,19}$/.test(digits)) return null;
  const seed = BigInt(digits);
  return seed <= MAX_SEED ? seed.toString() : null;
}

/** @param {string} seed @param {bigint} by */
export function stepSeed(seed, by) {
  const count = MAX_SEED + 1n;
  return ((BigInt(seed) + by + count) % count).toString();
}

/** A new seed, short enough to be read aloud. @returns {string} */
export function diceSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0] % 10_000_000);
}

/**
 * Write a request's JSON with seeds as numbers, however large.
 * @param {unknown} body seeds in it are digits in `seed` or `seeds`
 */
export function jsonOf(body) {
  return JSON.stringify(body).replace(/("seeds?":)(\[[^\]]*\]|"\d+")/g, (_, name, value) => name + value.replaceAll('"', ""));
}

/**
 * @param {string} hex #rrggbb
 * @returns {{hue: number, saturation: number, lightness: number}} degrees, and shares 0..1
 */
export function hslOf(hex) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
  const high = Math.max(red, green, blue);
  const low = Math.min(red, green, blue);
  const spread = high - low;
  const lightness = (high + low) / 2;
  if (!spread) return { hue: 0, saturation: 0, lightness };
  const sector = high === red ? (green - blue) / spread : high === green ? (blue - red) / spread + 2 : (red - green) / spread + 4;
  return { hue: (sector * 60 + 360) % 360, saturation: spread / (1 - Math.abs(2 * lightness - 1)), lightness };
}

/**
 * @param {number} hue degrees
 * @param {number} saturation 0..1
 * @param {number} lightness 0..1
 * @returns {string} #rrggbb
 */
export function hexOf(hue, saturation, lightness) {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (/** @type {number} */ offset) => {
    const at = (offset + hue / 30) % 12;
    const value = lightness - reach * Math.max(-1, Math.min(at - 3, 9 - at, 1));
    return Math.round(value * 255).toString(16).padStart(2, "0");
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}
