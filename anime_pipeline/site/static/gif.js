// @ts-check
/** Pictures as an animated GIF (GIF89a), all with one palette: with one each, colours flicker. */

/** @typedef {import("./engine.js").Picture} Picture */
/** @typedef {Float64Array} Bin red, green, blue and count of pixels that are nearly alike, summed */

const COLOURS = 256;
const BITS = 5; // of each channel, by which pixels are gathered
const BLOCK = 255;
const MOST_CODES = 4096;

/** @param {Picture[]} frames RGB, of one size @param {number} fps @returns {Blob} repeats for ever */
export function writeGif(frames, fps) {
  const [{ width, height }] = frames;
  const { palette, indexOf } = paletteOf(frames);
  const delay = Math.round(100 / fps);
  const parts = [
    text("GIF89a"), words(width, height), Uint8Array.from([0xF7, 0, 0]), palette,
    Uint8Array.from([0x21, 0xFF, 11]), text("NETSCAPE2.0"), Uint8Array.from([3, 1, 0, 0, 0]),
  ];
  for (const { data } of frames) {
    const indices = Uint8Array.from({ length: width * height }, (_, i) => indexOf(data, 3 * i));
    parts.push(Uint8Array.from([0x21, 0xF9, 4, 4]), words(delay), Uint8Array.from([0, 0]));
    parts.push(Uint8Array.from([0x2C]), words(0, 0, width, height), Uint8Array.from([0, 8]), compress(indices));
  }
  return new Blob([...parts, Uint8Array.from([0x3B])], { type: "image/gif" });
}

/** @param {string} letters */
const text = (letters) => Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
/** @param {...number} values 16 bits each, the lower ones first */
const words = (...values) => Uint8Array.from(values.flatMap((value) => [value & 255, value >> 8]));
/** @param {Uint8Array} data @param {number} at */
const binAt = (data, at) => ((data[at] >> 3) << (2 * BITS)) | ((data[at + 1] >> 3) << BITS) | (data[at + 2] >> 3);

/**
 * Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982: the median cut.
 * @param {Picture[]} frames
 */
function paletteOf(frames) {
  /** @type {Map<number, Bin>} */
  const bins = new Map();
  for (const { data } of frames) {
    for (let at = 0; at < data.length; at += 3) {
      const key = binAt(data, at);
      const bin = bins.get(key) ?? new Float64Array(4);
      if (!bin[3]) bins.set(key, bin);
      for (let c = 0; c < 3; c += 1) bin[c] += data[at + c];
      bin[3] += 1;
    }
  }
  let boxes = [[...bins.values()]];
  while (boxes.length < COLOURS) {
    const widest = boxes.map((box, at) => ({ at, ...spreadOf(box) })).sort((a, b) => b.weight - a.weight)[0];
    if (!widest.weight) break;
    boxes = boxes.flatMap((box, at) => (at === widest.at ? halves(box, widest.channel) : [box]));
  }
  const means = boxes.map((box) => meanOf(box.reduce((sum, bin) => sum.map((value, i) => value + bin[i]), new Float64Array(4))));
  const palette = new Uint8Array(3 * COLOURS);
  means.forEach((mean, i) => palette.set(mean.map(Math.round), 3 * i));
  /** @type {Map<number, number>} */
  const nearest = new Map();
  return { palette, indexOf(/** @type {Uint8Array} */ data, /** @type {number} */ at) {
    const key = binAt(data, at);
    const known = nearest.get(key);
    if (known !== undefined) return known;
    const here = meanOf(/** @type {Bin} */ (bins.get(key)));
    const apart = means.map((mean) => mean.reduce((sum, value, c) => sum + (value - here[c]) ** 2, 0));
    const index = apart.indexOf(Math.min(...apart));
    nearest.set(key, index);
    return index;
  } };
}

/** @param {Bin} bin */
const meanOf = (bin) => [0, 1, 2].map((c) => bin[c] / bin[3]);

/** The channel in which a box is widest, and how much that matters. @param {Bin[]} box */
function spreadOf(box) {
  const spans = [0, 1, 2].map((c) => {
    const levels = box.map((bin) => bin[c] / bin[3]);
    return Math.max(...levels) - Math.min(...levels);
  });
  const widest = Math.max(...spans);
  const pixels = box.reduce((sum, bin) => sum + bin[3], 0);
  return { channel: spans.indexOf(widest), weight: box.length > 1 ? widest * Math.sqrt(pixels) : 0 };
}

/** Cut where half of the pixels lie on either side. @param {Bin[]} box @param {number} channel */
function halves(box, channel) {
  const sorted = [...box].sort((a, b) => a[channel] / a[3] - b[channel] / b[3]);
  const half = sorted.reduce((sum, bin) => sum + bin[3], 0) / 2;
  let [at, passed] = [0, 0];
  while (at < sorted.length - 1 && passed < half) passed += sorted[at++][3];
  at = Math.max(1, at);
  return [sorted.slice(0, at), sorted.slice(at)];
}

/** LZW as in appendix F of the format. @param {Uint8Array} indices @returns {Uint8Array} in blocks */
function compress(indices) {
  const [clear, end] = [COLOURS, COLOURS + 1];
  /** @type {number[]} */
  const bytes = [];
  let [held, count, size] = [0, 0, 9];
  const put = (/** @type {number} */ code) => {
    held |= code << count;
    for (count += size; count >= 8; count -= 8) {
      bytes.push(held & 255);
      held >>>= 8;
    }
  };
  /** @type {Map<number, number>} */
  let codes = new Map();
  let next = end + 1;
  put(clear);
  let prefix = indices[0];
  for (const index of indices.subarray(1)) {
    const key = (prefix << 8) | index;
    const known = codes.get(key);
    if (known !== undefined) { prefix = known; continue; }
    put(prefix);
    if (next === MOST_CODES) {
      put(clear);
      [codes, next, size] = [new Map(), end + 1, 9];
    } else {
      codes.set(key, next);
      if (next === 2 ** size) size += 1;
      next += 1;
    }
    prefix = index;
  }
  put(prefix);
  put(end);
  if (count) bytes.push(held & 255);
  const result = new Uint8Array(bytes.length + Math.ceil(bytes.length / BLOCK) + 1);
  let to = 0;
  for (let from = 0; from < bytes.length; from += BLOCK) {
    const block = bytes.slice(from, from + BLOCK);
    result[to] = block.length;
    result.set(block, to + 1);
    to += block.length + 1;
  }
  return result;
}
