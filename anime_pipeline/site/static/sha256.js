// @ts-check
/** SHA-256 (FIPS 180-4), at once: the browser's own is asynchronous, and absent without https. */

const WORD = 2n ** 32n;

/** The first 32 bits of the fractional parts of the square or cube roots of the first primes. @param {number} count @param {bigint} degree */
function fractions(count, degree) {
  /** @type {number[]} */
  const primes = [];
  for (let n = 2; primes.length < count; n += 1) if (primes.every((prime) => n % prime)) primes.push(n);
  return Uint32Array.from(primes, (prime) => Number(root(BigInt(prime) * WORD ** degree, degree) % WORD));
}

/** The whole part of a root, by bisection. @param {bigint} value @param {bigint} degree */
function root(value, degree) {
  let [low, high] = [0n, WORD ** 2n];
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (middle ** degree <= value) low = middle;
    else high = middle;
  }
  return low;
}

const START = fractions(8, 2n);
const ROUND = fractions(64, 3n);

/** @param {number} word @param {number} by */
const turn = (word, by) => (word >>> by) | (word << (32 - by));

/**
 * Hash a text.
 * @param {string} text
 * @returns {DataView} 32 bytes
 */
export function sha256(text) {
  const bytes = new TextEncoder().encode(text);
  const padded = new DataView(new ArrayBuffer(Math.ceil((bytes.length + 9) / 64) * 64));
  new Uint8Array(padded.buffer).set(bytes);
  padded.setUint8(bytes.length, 0x80);
  padded.setUint32(padded.byteLength - 4, bytes.length * 8);
  const state = START.slice();
  for (let at = 0; at < padded.byteLength; at += 64) digest(state, new DataView(padded.buffer, at, 64));
  const result = new DataView(new ArrayBuffer(32));
  state.forEach((word, index) => result.setUint32(4 * index, word));
  return result;
}

/** Section 6.2.2. @param {Uint32Array} state @param {DataView} block */
function digest(state, block) {
  const words = new Uint32Array(64);
  for (let t = 0; t < 64; t += 1) {
    if (t < 16) words[t] = block.getUint32(4 * t);
    else {
      const [early, late] = [words[t - 15], words[t - 2]];
      words[t] = words[t - 16] + (turn(early, 7) ^ turn(early, 18) ^ (early >>> 3))
        + words[t - 7] + (turn(late, 17) ^ turn(late, 19) ^ (late >>> 10));
    }
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t += 1) {
    const first = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[t] + words[t];
    const second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    [a, b, c, d, e, f, g, h] = [(first + second) | 0, a, b, c, (d + first) | 0, e, f, g];
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => { state[index] += word; });
}
