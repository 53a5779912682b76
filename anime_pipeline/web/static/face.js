// @ts-check
/** What is asked of a face: its spec, to and from addresses, in words, and by which weights. */

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
/** @typedef {Pick<Face, "hair"|"skin"|"eyes"|"length">} Look the attributes of a face */

/** @type {Readonly<Face>} */
export const PLAIN = Object.freeze({
  seed: "0", hair: "", skin: "", eyes: "", length: "", truncation: 1, realism: 1, variation: 0, strength: 0, model: "", weights: "",
});
/** The attributes that a model may be conditioned on, by their names in addresses. */
export const ATTRIBUTES = /** @type {const} */ (["hair", "skin", "eyes", "length"]);
const NUMBERS = /** @type {const} */ (["truncation", "realism", "variation", "strength"]);
const SEEDS = 2n ** 63n;
const LIST = new Intl.ListFormat("en-GB"); // "a, b and c"
const WORD = /^[a-z]{2,20}$/i;
const COLOUR = /^([a-z]{2,20}|#[0-9a-f]{6})$/i;

/** Weights that draw here, by model; "" is the default one. @type {Map<string, string>} */
const served = new Map();

/**
 * Read a face from a query string; what makes no sense is left at its default.
 * @param {string} query with or without "?"
 * @returns {Face}
 */
export function readFace(query) {
  const values = new URLSearchParams(query);
  /** @type {Face} */
  const face = { ...PLAIN, seed: readSeed(values.get("seed") ?? "") ?? PLAIN.seed };
  for (const name of ATTRIBUTES) {
    const text = (values.get(name) ?? "").toLowerCase();
    const known = name === "hair" || name === "skin" ? COLOUR : WORD;
    if (known.test(text) && text !== "random") face[name] = text;
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
export function faceQuery(face, more = {}) {
  const { truncation, realism, model, weights } = face;
  const changed = Object.entries({ truncation, realism, model, weights })
    .filter(([name, value]) => value !== PLAIN[/** @type {keyof Face} */ (name)]);
  return query({ seed: face.seed, ...lookOf(face), ...Object.fromEntries(changed), ...more });
}

/** The address of a page, as the page that is open says how they are called. @param {string} name @param {string} query */
function pageUrl(name, query) {
  const pattern = globalThis.document?.body.dataset.pages ?? "/*";
  return `${name === "wall" ? pattern.replace(/\*.*/, "") || "./" : pattern.replace("*", name)}?${query}`;
}

/** The address of a face in the studio. @param {Face} face */
export function studioUrl(face) {
  return pageUrl("studio", faceQuery(face));
}

/** The address of the way from one face to others. @param {Face} a @param {Face} [b] */
export function blendUrl(a, b) {
  return pageUrl("blend", query({ a: faceQuery(a), ...(b ? { b: faceQuery(b) } : {}) }));
}

/** The address of the wall that begins with a seed. @param {string} start @param {Look} look */
export function wallUrl(start, look) {
  return pageUrl("wall", query({ start, ...lookOf({ ...PLAIN, ...look }) }));
}

/** @param {Record<string, string|number>} values */
function query(values) {
  return new URLSearchParams(Object.entries(values).map(([name, value]) => [name, String(value)])).toString();
}

/**
 * The part of a face that one stop of a blend has too, without its seed.
 * @param {Face} face
 * @returns {Partial<Face>}
 */
export function lookOf(face) {
  return {
    ...Object.fromEntries(ATTRIBUTES.filter((name) => face[name]).map((name) => [name, face[name]])),
    // A neighbour at no distance is the face itself, whatever its number.
    ...(face.strength ? { variation: face.variation, strength: face.strength } : {}),
  };
}

/** Tell faces apart, whatever the weights. @param {Face} face */
export function keyOf(face) {
  return faceQuery({ ...face, weights: "" });
}

/** Note the weights that draw for a model now; "" if unknown. @param {string} model @param {string} weights */
export function noteServed(model, weights) {
  served.set(model, weights);
}

/** A face as it is drawn here now, whatever weights it was kept under. @param {Face} face @returns {Face} */
export function asServed(face) {
  return { ...face, weights: served.get(face.model) ?? "" };
}

/** Tell whether a face was kept, or sent, under other weights than those that draw here now. @param {Face} face */
export function isStale(face) {
  const { weights } = asServed(face);
  return Boolean(face.weights && weights && !weights.startsWith(face.weights));
}

/**
 * Describe a face in words, for alternative texts.
 * @param {Face} face
 * @param {Partial<Look>} [shown] what came out where nothing was asked for
 */
export function describe(face, shown = {}) {
  const [hair, skin, eyes] = /** @type {const} */ (["hair", "skin", "eyes"]).map((name) => face[name] || shown[name] || "");
  const look = lookInWords({ hair, skin, eyes, length: face.length });
  const neighbour = face.strength ? `, neighbour ${face.variation} at ${Math.round(face.strength * 100)}%` : "";
  return `Face of seed ${face.seed}${neighbour}${look && `, with ${look}`}`;
}

/** Attributes in words, such as "long pink hair and blue eyes"; nothing if there are none. @param {Look} look */
export function lookInWords({ hair, skin, eyes, length }) {
  const ofHair = [length, hair].filter(Boolean).join(" ");
  const parts = [ofHair && `${ofHair} hair`, skin && `${skin} skin`, eyes && `${eyes} eyes`];
  return LIST.format(parts.filter(Boolean));
}

/** The name of the file in which a face is saved. @param {Face} face @param {number} size */
export function fileName(face, size) {
  const words = [face.hair, face.skin, face.eyes && `${face.eyes}-eyes`, face.length && `${face.length}-hair`];
  const parts = ["face", face.seed, ...words, face.strength ? `n${face.variation}` : "", size];
  return `${parts.filter((part) => part !== "").join("-").replaceAll("#", "")}.png`;
}

/** Check a seed: its digits without leading zeros, or null. @param {string} text */
export function readSeed(text) {
  const digits = text.trim();
  if (!/^\d{1,19}$/.test(digits)) return null;
  return BigInt(digits) < SEEDS ? BigInt(digits).toString() : null;
}

/** @param {string} seed @param {number} by */
export function stepSeed(seed, by) {
  return ((BigInt(seed) + BigInt(by) + SEEDS) % SEEDS).toString();
}

/** A new seed, short enough to be read aloud. @returns {string} */
export function randomSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0] % 10_000_000);
}
