// @ts-check
/** Pictures of any size to 2, 3, 4 or 8 times that, tile by tile, as `inference/enlarge.py` does it. */

import { pixelsOf } from "./pixels.js";
import { writePng } from "./png.js";
import { resize } from "./resize.js";
import { splitAlpha } from "./transparency.js";

/** @typedef {import("./engine.js").Picture} Picture */
/**
 * @typedef {object} Means
 * @property {(window: Picture) => Promise<Picture>} enlarge four times, a small RGB picture
 * @property {(done: number, total: number) => void} onProgress
 * @property {number} mostPixels of the result
 * @property {() => boolean} isOff whether nobody wants it any more
 * @property {Record<string, string>} [texts] of the result's file
 */

const SCALE = 4;
const TILE_PX = 96; // what a tile takes of memory bounds what enlarging takes: about 100 MB
const MARGIN_PX = 20;
const FLAT_REACH = 2;

/**
 * Enlarge a picture's file.
 * @param {Blob} file
 * @param {number} scale
 * @param {Means} means
 * @returns {Promise<Blob>} a PNG
 */
export async function upscaled(file, scale, means) {
  const picture = await pixelsOf(file);
  const { width, height, channels } = picture;
  if (width * height * scale ** 2 * (channels > 3 ? 2 : 1) > means.mostPixels) {
    const words = `The picture has ${width}x${height} pixels, too many for ${scale} times. Choose a smaller scale, or make it smaller first.`;
    throw Object.assign(new Error(words), { status: 422 });
  }
  return writePng(await larger(picture, scale, means), means.texts);
}

/** Enlarge RGB or RGBA. @param {Picture} picture @param {number} scale @param {Means} means @returns {Promise<Picture>} */
export async function larger(picture, scale, means) {
  const [width, height] = [picture.width * scale, picture.height * scale];
  if (picture.channels === 3) return plain(picture, width, height, means);
  const { rgb, alpha } = splitAlpha(picture);
  const half = (/** @type {number} */ before) => ({ ...means,
    onProgress: (/** @type {number} */ done, /** @type {number} */ total) => means.onProgress(before * total + done, 2 * total) });
  const colours = await plain(rgb, width, height, half(0));
  const mask = await maskOf(alpha, width, height, half(1));
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i += 1) {
    for (let c = 0; c < 3; c += 1) data[4 * i + c] = colours.data[3 * i + c];
    data[4 * i + 3] = mask[i];
  }
  return { width, height, channels: 4, data };
}

/** Alpha as a grey picture. @param {Picture} alpha one channel @param {number} width @param {number} height @param {Means} means */
async function maskOf(alpha, width, height, means) {
  const grey = { ...alpha, channels: 3, data: Uint8Array.from({ length: alpha.data.length * 3 }, (_, i) => alpha.data[Math.floor(i / 3)]) };
  const { data } = await plain(grey, width, height, means);
  const mask = new Uint8Array(width * height);
  for (let i = 0; i < mask.length; i += 1) mask[i] = Math.round((data[3 * i] + data[3 * i + 1] + data[3 * i + 2]) / 3);
  keepFlat(alpha, { width, height, channels: 1, data: mask }, (value) => value === 0 || value === 255);
  return mask;
}

/** @param {Picture} rgb @param {number} width @param {number} height @param {Means} means @returns {Promise<Picture>} */
async function plain(rgb, width, height, means) {
  const grey = isGrey(rgb);
  if (width <= rgb.width * SCALE) {
    const whole = await fourfold(rgb, means, grey);
    return whole.width === width ? whole : resize(whole, width, height);
  }
  const middle = [Math.ceil(width / SCALE), Math.ceil(height / SCALE)];
  const share = (rgb.width * rgb.height) / (rgb.width * rgb.height + middle[0] * middle[1]);
  const part = (/** @type {number} */ begin, /** @type {number} */ size) => ({ ...means,
    onProgress: (/** @type {number} */ done, /** @type {number} */ total) => means.onProgress(begin + (size * done) / total, 1) });
  const first = resize(await fourfold(rgb, part(0, share), grey), middle[0], middle[1]);
  keepFlat(rgb, first);
  const second = await fourfold(first, part(share, 1 - share), grey);
  keepFlat(first, second);
  return second;
}

/** The network over all tiles; each looks a little beyond its edge. @param {Picture} rgb @param {Means} means @param {boolean} grey */
async function fourfold(rgb, { enlarge, onProgress, isOff }, grey) {
  const { width, height } = rgb;
  const result = { width: width * SCALE, height: height * SCALE, channels: 3, data: new Uint8Array(width * height * SCALE ** 2 * 3) };
  for (let top = 0; top < height; top += TILE_PX) {
    const bottom = Math.min(top + TILE_PX, height);
    for (let left = 0; left < width; left += TILE_PX) {
      const right = Math.min(left + TILE_PX, width);
      const [x, y] = [Math.max(0, left - MARGIN_PX), Math.max(0, top - MARGIN_PX)];
      const window = cut(rgb, x, y, Math.min(width, right + MARGIN_PX), Math.min(height, bottom + MARGIN_PX));
      onProgress(top * width + (bottom - top) * left, width * height);
      const large = await enlarge(window);
      await new Promise((resolve) => { setTimeout(resolve); });
      if (isOff()) throw new Error("called off");
      const inner = cut(large, (left - x) * SCALE, (top - y) * SCALE, (right - x) * SCALE, (bottom - y) * SCALE);
      paste(inner, result, left * SCALE, top * SCALE);
    }
  }
  if (grey) withoutTint(result.data);
  return result;
}

/** @param {Picture} picture @param {number} left @param {number} top @param {number} right @param {number} bottom @returns {Picture} */
function cut({ width, channels, data }, left, top, right, bottom) {
  const stride = (right - left) * channels;
  const part = new Uint8Array(stride * (bottom - top));
  for (let y = top; y < bottom; y += 1) {
    const from = (y * width + left) * channels;
    part.set(data.subarray(from, from + stride), (y - top) * stride);
  }
  return { width: right - left, height: bottom - top, channels, data: part };
}

/** @param {Picture} part @param {Picture} whole @param {number} left @param {number} top */
function paste(part, whole, left, top) {
  const stride = part.width * part.channels;
  for (let y = 0; y < part.height; y += 1) {
    whole.data.set(part.data.subarray(y * stride, (y + 1) * stride), ((top + y) * whole.width + left) * part.channels);
  }
}

/** Whether R = G = B everywhere: a tint that a network gives lines in black and white is seen at once. @param {Picture} rgb */
function isGrey({ data }) {
  for (let i = 0; i < data.length; i += 3) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  return true;
}

/** As OpenCV makes grey. @param {Uint8Array} rgb is changed */
function withoutTint(rgb) {
  for (let i = 0; i < rgb.length; i += 3) {
    rgb.fill((9798 * rgb[i] + 19235 * rgb[i + 1] + 3735 * rgb[i + 2] + 2 ** 14) >> 15, i, i + 3);
  }
}

/**
 * Put the source's own value wherever that is the same all around; see `images/transparency.py`.
 * @param {Picture} source
 * @param {Picture} enlarged is changed
 * @param {(value: number) => boolean} [isKept] of which values
 */
function keepFlat(source, enlarged, isKept = () => true) {
  const { channels } = source;
  const flat = flatOf(source);
  for (let y = 0; y < enlarged.height; y += 1) {
    const row = sourceOf(y, source.height, enlarged.height) * source.width;
    for (let x = 0; x < enlarged.width; x += 1) {
      const from = row + sourceOf(x, source.width, enlarged.width);
      if (!flat[from] || !isKept(source.data[from * channels])) continue;
      for (let c = 0; c < channels; c += 1) enlarged.data[(y * enlarged.width + x) * channels + c] = source.data[from * channels + c];
    }
  }
}

/** @param {number} number @param {number} have @param {number} wanted */
const sourceOf = (number, have, wanted) => Math.min(Math.floor(((2 * number + 1) * have) / (2 * wanted)), have - 1);

/** Which pixels have the value of all around them. @param {Picture} source */
function flatOf({ width, height, channels, data }) {
  const same = (/** @type {number} */ a, /** @type {number} */ b) => {
    for (let c = 0; c < channels; c += 1) if (data[a * channels + c] !== data[b * channels + c]) return false;
    return true;
  };
  return Uint8Array.from({ length: width * height }, (_, at) => {
    const [x, y] = [at % width, Math.floor(at / width)];
    for (let v = Math.max(0, y - FLAT_REACH); v <= Math.min(height - 1, y + FLAT_REACH); v += 1) {
      for (let u = Math.max(0, x - FLAT_REACH); u <= Math.min(width - 1, x + FLAT_REACH); u += 1) {
        if (!same(at, v * width + u)) return 0;
      }
    }
    return 1;
  });
}
