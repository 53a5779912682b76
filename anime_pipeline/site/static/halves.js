// @ts-check
/** Arrays in half precision, as `site/networks.py` packs them, and mixtures of them. */

// Every number that half precision has, as float32.
const WIDE = Float32Array.from({ length: 2 ** 16 }, (_, bits) => {
  const [sign, exponent, rest] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return rest ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
});

/**
 * Put bytes together again: all upper ones come first.
 * @param {Uint8Array} planes unpacked
 * @param {Uint16Array} [base] what they are differences from
 * @returns {Uint16Array} the bits of float16
 */
export function join(planes, base) {
  const count = planes.length / 2;
  const bits = new Uint16Array(count);
  for (let i = 0; i < count; i += 1) {
    const value = (planes[i] << 8) | planes[count + i];
    if (!base) bits[i] = value;
    else {
      const apart = (value >>> 1) ^ -(value & 1);
      const ordered = ((base[i] & 0x8000 ? ~base[i] : base[i] | 0x8000) + apart) & 0xFFFF;
      bits[i] = ordered & 0x8000 ? ordered & 0x7FFF : ~ordered;
    }
  }
  return bits;
}

/** @param {Uint16Array} bits @returns {Float32Array} */
export function widen(bits) {
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i += 1) values[i] = WIDE[bits[i]];
  return values;
}

/**
 * Mix arrays as `models/blend.py` does, in single precision.
 * @param {Uint16Array} base
 * @param {[Uint16Array, number][]} added others, and the share of the way towards each
 * @returns {Float32Array}
 */
export function mix(base, added) {
  const others = added.filter(([array, share]) => share && array !== base);
  if (others.length === 1 && others[0][1] === 1) return widen(others[0][0]);
  const values = widen(base);
  for (const [array, whole] of others) {
    const share = Math.fround(whole);
    for (let i = 0; i < values.length; i += 1) {
      const way = Math.fround(WIDE[array[i]] - WIDE[base[i]]);
      values[i] += Math.fround(share * way);
    }
  }
  return values;
}
