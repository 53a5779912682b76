// @ts-check
/** Pillow's antialiased bicubic on whole levels, to the last bit: first across, then down. */

/** @typedef {import("./engine.js").Picture} Picture */

const ONE = 2 ** 22; // weights are whole numbers, as Pillow's
const SUPPORT = 2;

/** @param {number} x distance in pixels */
function bicubic(x) {
  const [a, t] = [-0.5, Math.abs(x)];
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

/** Which pixels make each one of the result, and how much. @param {number} have @param {number} wanted */
function kernels(have, wanted) {
  const scale = have / wanted;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: wanted }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - SUPPORT * stretch + 0.5));
    const end = Math.min(have, Math.trunc(centre + SUPPORT * stretch + 0.5));
    const shares = Array.from({ length: end - first }, (__, k) => bicubic((k + first - centre + 0.5) / stretch));
    const sum = shares.reduce((total, share) => total + share, 0);
    return { first, weights: shares.map((share) => Math.sign(share) * Math.floor((Math.abs(share) / sum) * ONE + 0.5)) };
  });
}

/** @param {Picture} picture @param {number} width @param {number} height @returns {Picture} */
export function resize(picture, width, height) {
  const { channels } = picture;
  const across = new Uint8Array(width * picture.height * channels);
  kernels(picture.width, width).forEach(({ first, weights }, x) => {
    for (let y = 0; y < picture.height; y += 1) {
      for (let c = 0; c < channels; c += 1) {
        const from = (y * picture.width + first) * channels + c;
        across[(y * width + x) * channels + c] = weigh(picture.data, from, channels, weights);
      }
    }
  });
  const data = new Uint8Array(width * height * channels);
  kernels(picture.height, height).forEach(({ first, weights }, y) => {
    const stride = width * channels;
    for (let x = 0; x < stride; x += 1) data[y * stride + x] = weigh(across, first * stride + x, stride, weights);
  });
  return { width, height, channels, data };
}

/** @param {Uint8Array} data @param {number} from @param {number} step @param {number[]} weights */
function weigh(data, from, step, weights) {
  let sum = ONE / 2;
  for (let k = 0; k < weights.length; k += 1) sum += data[from + k * step] * weights[k];
  return Math.min(Math.max(Math.floor(sum / ONE), 0), 255);
}
