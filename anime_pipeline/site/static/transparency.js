// @ts-check
/** Colours under transparency, as `images/transparency.py` has them: what is not seen must not bleed into what is. */

/** @typedef {import("./engine.js").Picture} Picture */
/** @typedef {{width: number, height: number, colours: Float32Array, weights: Float32Array}} Cells premultiplied colours */

const SEEN = 32;
const BLEED_PX = 4;

/**
 * Divide RGBA into colours that may be filtered, and the alpha.
 * @param {Picture} rgba
 * @returns {{rgb: Picture, alpha: Picture}}
 */
export function splitAlpha({ width, height, data }) {
  const count = width * height;
  const alpha = Uint8Array.from({ length: count }, (_, i) => data[4 * i + 3]);
  const colours = Uint8Array.from({ length: 3 * count }, (_, i) => data[4 * Math.floor(i / 3) + (i % 3)]);
  const found = { rgb: { width, height, channels: 3, data: colours }, alpha: { width, height, channels: 1, data: alpha } };
  const [lowest, highest] = alpha.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [255, 0]);
  if (highest === 0) colours.fill(0);
  if (lowest >= Math.min(SEEN, highest)) return found;
  const weights = Float32Array.from(alpha, (value) => value / 255);
  const premultiplied = Float32Array.from(colours, (value, i) => value * weights[Math.floor(i / 3)]);
  const below = fill(half({ width, height, colours: premultiplied, weights }));
  const peaks = dilated(alpha, width, height);
  for (let i = 0; i < count; i += 1) {
    const own = Math.min(1, alpha[i] / Math.min(Math.max(peaks[i], 1), SEEN));
    if (own === 1) continue;
    const [share, weight] = [own ** 4, weights[i]];
    const there = between(below, i % width, Math.floor(i / width));
    for (let c = 0; c < 3; c += 1) {
      const colour = colours[3 * i + c];
      const mean = weight * colour + (1 - weight) * there[c];
      colours[3 * i + c] = Math.round(Math.min(Math.max(share * colour + (1 - share) * mean, 0), 255));
    }
  }
  return found;
}

/** Colours everywhere, from ever larger cells where nearer ones are empty. @param {Cells} cells are changed @returns {Cells} */
function fill(cells) {
  const { width, height, colours, weights } = cells;
  const below = Math.max(width, height) > 1 ? fill(half(cells)) : null;
  for (let i = 0; i < weights.length; i += 1) {
    const there = below ? between(below, i % width, Math.floor(i / width)) : [0, 0, 0];
    for (let c = 0; c < 3; c += 1) {
      const colour = colours[3 * i + c] / Math.max(weights[i], 1e-6);
      colours[3 * i + c] = below ? weights[i] * colour + (1 - weights[i]) * there[c] : colour;
    }
  }
  return cells;
}

/** Means over 2 x 2 cells; the last row or column of an odd number counts twice. @param {Cells} cells @returns {Cells} */
function half({ width, height, colours, weights }) {
  const [w, h] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const four = (/** @type {number} */ i) => {
    const [x, y] = [2 * (i % w), 2 * Math.floor(i / w)];
    const [right, low] = [Math.min(x + 1, width - 1), Math.min(y + 1, height - 1)];
    return [y * width + x, y * width + right, low * width + x, low * width + right];
  };
  return {
    width: w, height: h,
    weights: Float32Array.from({ length: w * h }, (_, i) => four(i).reduce((sum, at) => sum + weights[at], 0) / 4),
    colours: Float32Array.from({ length: 3 * w * h }, (_, i) =>
      four(Math.floor(i / 3)).reduce((sum, at) => sum + colours[3 * at + (i % 3)], 0) / 4),
  };
}

/** A place of the doubled cells, interpolated. @param {Cells} cells @param {number} x @param {number} y */
function between({ width, height, colours }, x, y) {
  const [left, top] = [(x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5];
  const [u, v] = [left - Math.floor(left), top - Math.floor(top)];
  const at = (/** @type {number} */ column, /** @type {number} */ row) =>
    3 * (Math.min(Math.max(row, 0), height - 1) * width + Math.min(Math.max(column, 0), width - 1));
  const [a, b, c, d] = [[0, 0], [1, 0], [0, 1], [1, 1]].map(([i, j]) => at(Math.floor(left) + i, Math.floor(top) + j));
  return [0, 1, 2].map((k) => (1 - v) * ((1 - u) * colours[a + k] + u * colours[b + k]) + v * ((1 - u) * colours[c + k] + u * colours[d + k]));
}

/** The highest alpha within reach, first across, then down. @param {Uint8Array} alpha @param {number} width @param {number} height */
function dilated(alpha, width, height) {
  const across = alpha.map((_, i) => {
    const [x, row] = [i % width, i - (i % width)];
    return Math.max(...alpha.subarray(row + Math.max(0, x - BLEED_PX), row + Math.min(width, x + BLEED_PX + 1)));
  });
  return across.map((_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    let most = 0;
    for (let v = Math.max(0, y - BLEED_PX); v <= Math.min(height - 1, y + BLEED_PX); v += 1) most = Math.max(most, across[v * width + x]);
    return most;
  });
}
