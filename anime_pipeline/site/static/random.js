// @ts-check
/**
 * The random numbers of `core/randomness.py`, to the last bit, as NumPy draws them.
 *
 * Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), normals by
 * the ziggurat of 256 steps (Marsaglia and Tsang, 2000) in single precision, whole numbers by
 * Lemire's way without division (2019).
 */

import { log1p } from "./log1p.js";
import { sha256 } from "./sha256.js";

const MASK = 2n ** 64n - 1n;
const MULTIPLIERS = [0xD2E7470EE14C6C93n, 0xCA5A826395121157n];
const BUMPS = [0x9E3779B97F4A7C15n, 0xBB67AE8584CAA73Bn];
const ROUNDS = 10;

// The ziggurat: where its lowest step ends, and the area of each.
const STEPS = 256;
const EDGE = 3.6541528853610088;
const AREA = 0.00492867323399;
const BITS = 2 ** 23; // of a number within a step
const { WIDTH, CERTAIN, HEIGHT } = ziggurat();

function ziggurat() {
  const height = (/** @type {number} */ x) => Math.exp(-0.5 * x * x);
  const edges = new Float64Array(STEPS + 1);
  edges[STEPS] = AREA / height(EDGE);
  edges[STEPS - 1] = EDGE;
  for (let i = STEPS - 2; i > 0; i -= 1) {
    edges[i] = Math.sqrt(-2 * Math.log(AREA / edges[i + 1] + height(edges[i + 1])));
  }
  const at = (/** @type {number} */ i) => edges[i || STEPS];
  const step = Float64Array.from({ length: STEPS }, (_, i) => i);
  return {
    WIDTH: new Float32Array(step.map((i) => at(i) / BITS)),
    CERTAIN: new Uint32Array(step.map((i) => Math.round(((i ? edges[i - 1] : EDGE) / at(i)) * BITS))),
    HEIGHT: new Float32Array(step.map((i) => height(edges[i]))),
  };
}

/** One (seed, stream, index) of `core/randomness.py`. */
export class Stream {
  /** @param {string} seed digits @param {string} name what the numbers are for @param {number} [index] */
  constructor(seed, name, index = 0) {
    const hash = sha256(`${name}\0${seed}`);
    this.key = [hash.getBigUint64(0, true), hash.getBigUint64(8, true)];
    this.counter = [0n, 0n, 0n, BigInt(index)];
    /** @type {number[]} 32 bits each, the next one last */
    this.waiting = [];
  }

  /** 32 bits. */
  next() {
    if (!this.waiting.length) {
      this.counter[0] += 1n; // 2**64 blocks are more than anybody draws
      const block = philox(this.counter, this.key);
      this.waiting = block.flatMap((word) => [Number(word & 0xFFFFFFFFn), Number(word >> 32n)]).reverse();
    }
    return /** @type {number} */ (this.waiting.pop());
  }

  /** From 0 to below 1, float32. */
  float() {
    return (this.next() >>> 8) / 2 ** 24;
  }

  /** A whole number below `count`. @param {number} count */
  below(count) {
    if (count === 1) return 0;
    const threshold = (2 ** 32 - count) % count;
    for (;;) {
      const product = BigInt(this.next()) * BigInt(count);
      if (Number(product & 0xFFFFFFFFn) >= threshold) return Number(product >> 32n);
    }
  }

  /** Of N(0, 1), float32. */
  normal() {
    for (;;) {
      const bits = this.next();
      const step = bits & 0xFF;
      const within = bits >>> 9;
      const x = Math.fround((bits & 0x100 ? -within : within) * WIDTH[step]);
      if (within < CERTAIN[step]) return x;
      if (step === 0) return this.tail(within);
      const rise = Math.fround(HEIGHT[step - 1] - HEIGHT[step]);
      const y = Math.fround(Math.fround(rise * this.float()) + HEIGHT[step]);
      if (y < Math.exp(-0.5 * x * x)) return x;
    }
  }

  /** What lies beyond the lowest step (Marsaglia, 1964). @param {number} within whose bits give the sign */
  tail(within) {
    const [edge, inverse] = [Math.fround(EDGE), Math.fround(1 / EDGE)];
    for (;;) {
      const x = Math.fround(-inverse * log1p(-this.float()));
      const y = -log1p(-this.float());
      if (Math.fround(y + y) > Math.fround(x * x)) {
        return Math.fround((within >>> 8) & 1 ? -(edge + x) : edge + x);
      }
    }
  }
}

/** @param {bigint[]} counter @param {bigint[]} key @returns {bigint[]} four times 64 bits */
function philox(counter, key) {
  let [a, b, c, d] = counter;
  let [first, second] = key;
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = [a * MULTIPLIERS[0], c * MULTIPLIERS[1]];
    [a, b, c, d] = [(other >> 64n) ^ b ^ first, other & MASK, (one >> 64n) ^ d ^ second, one & MASK];
    first = (first + BUMPS[0]) & MASK;
    second = (second + BUMPS[1]) & MASK;
  }
  return [a, b, c, d];
}

/**
 * A latent, or the noise of a neighbour.
 * @param {string} seed digits
 * @param {string} name of the stream
 * @param {number} index
 * @param {number} dim
 * @param {string} distribution "normal", or "uniform" from -1 to 1
 * @returns {Float32Array}
 */
export function draw(seed, name, index, dim, distribution) {
  const stream = new Stream(seed, name, index);
  const one = distribution === "normal" ? () => stream.normal() : () => stream.float() * 2 - 1;
  return Float32Array.from({ length: dim }, one);
}
