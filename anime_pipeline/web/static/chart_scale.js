// @ts-check
/** Axes of a chart: round ticks, numbers in few letters. */

/** @typedef {[number, number]} Point */

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/**
 * Round values that lie within a range, about as many as asked for.
 * @param {number} low
 * @param {number} high
 * @param {number} count
 * @returns {number[]}
 */
export function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= raw * 0.999) ?? raw;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

/**
 * Map one interval to another; an empty one to the middle.
 * @param {number} low
 * @param {number} high
 * @param {number} start
 * @param {number} stop
 * @returns {(value: number) => number}
 */
export function scale(low, high, start, stop) {
  if (!(high > low)) return () => (start + stop) / 2;
  return (value) => start + ((value - low) / (high - low)) * (stop - start);
}

/**
 * Lowest and highest value of a coordinate over several lines, with a little room.
 * @param {Point[][]} lines at least one
 * @param {0|1} axis
 * @param {number} room a share of the range
 * @returns {[number, number]}
 */
export function extent(lines, axis, room = 0) {
  const values = lines.flat().map((point) => point[axis]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = (high - low) * room || (axis === 1 && low === high ? Math.abs(low) * 0.1 || 1 : 0);
  return [low - margin, high + margin];
}

/** A number with about three digits: 0.0123, 12.3K. @param {number} value */
export function short(value) {
  return value && Math.abs(value) < 1e-4 ? value.toExponential(1) : COMPACT.format(value || 0); // no -0
}

/** All steps at which any of the lines has a point, in order. @param {{points: Point[]}[]} lines */
export function stepsOf(lines) {
  return [...new Set(lines.flatMap(({ points }) => points.map(([step]) => step)))].sort((a, b) => a - b);
}

/** The point that is nearest to a step; the last for Infinity. @param {Point[]} line @param {number} at @returns {Point} */
export function nearest(line, at) {
  return line.reduce((best, one) => (Math.abs(one[0] - at) <= Math.abs(best[0] - at) ? one : best));
}
