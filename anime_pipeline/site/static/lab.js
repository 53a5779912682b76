// @ts-check
/** Colours between sRGB and CIE Lab (D65), as `images/colour.py` has them. */

const XYZ_OF_RGB = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]];
const RGB_OF_XYZ = inverse(XYZ_OF_RGB);
const WHITE = [0.95047, 1.0, 1.08883];
const [DARK, SLOPE, OFFSET] = [0.008856, 7.787, 16 / 116];

/** @param {number[]} rgb 0 to 255 @returns {number[]} float32 */
export function rgbToLab(rgb) {
  const linear = rgb.map((level) => level / 255)
    .map((value) => (value > 0.04045 ? ((value + 0.055) / 1.055) ** 2.4 : value / 12.92));
  const [x, y, z] = times(XYZ_OF_RGB, linear).map((value, i) => value / WHITE[i])
    .map((value) => (value > DARK ? Math.cbrt(value) : SLOPE * value + OFFSET));
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)].map(Math.fround);
}

/** @param {number[]} lab @returns {number[]} whole levels, 0 to 255 */
export function labToRgb([lightness, a, b]) {
  const y = (lightness + 16) / 116;
  const xyz = [y + a / 500, y, Math.max(y - b / 200, 0)]
    .map((f) => (f > Math.cbrt(DARK) ? f ** 3 : (f - OFFSET) / SLOPE)).map((value, i) => value * WHITE[i]);
  return times(RGB_OF_XYZ, xyz).map((value) => Math.min(Math.max(value, 0), 1))
    .map((value) => (value > 0.0031308 ? 1.055 * value ** (1 / 2.4) - 0.055 : 12.92 * value))
    .map((value) => Math.round(value * 255));
}

/** @param {number[][]} matrix @param {number[]} vector */
function times(matrix, vector) {
  return matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0));
}

/** @param {number[][]} matrix 3 by 3 */
function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const whole = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const adjugate = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ];
  return adjugate.map((row) => row.map((value) => value / whole));
}
