// @ts-check
/** A line chart in SVG: axes, several lines told apart by colour and dashes, values to read out by
 * pointer and by keyboard, and the same as a table. */

import { find, make, makeSvg } from "./common.js";
import { extent, nearest, scale, short, stepsOf, ticks } from "./chart_scale.js";

const HEIGHT = 230;
const MARGIN = { top: 10, right: 14, bottom: 30, left: 50 };
const TABLE_ROWS = 25;
const KEY_STOPS = 40; // so many presses go from end to end

/** @typedef {import("./chart_scale.js").Point} Point */
/** @typedef {{name: string, label: string, points: Point[], look: number}} Line */

/** Draws the curves that its figure names in `data-series`. */
export class Chart {
  /** @param {HTMLElement} figure holds the elements named by `data-chart-…` */
  constructor(figure) {
    const part = (/** @type {string} */ name) => find(`[data-chart-${name}]`, figure);
    this.figure = figure;
    this.title = part("title").textContent;
    this.place = /** @type {HTMLElement} */ (part("place"));
    this.readout = part("readout");
    this.legend = part("legend");
    this.spoken = part("spoken");
    this.table = part("table");
    this.series = /** @type {{name: string, label: string}[]} */ (JSON.parse(figure.dataset.series ?? "[]"));
    this.range = figure.dataset.range?.split(",").map(Number);
    /** @type {Line[]} */
    this.lines = [];
    /** The step that is looked at. @type {number|null} */
    this.at = null;
    this.cursor = makeSvg("g", { class: "cursor" });
    this.x = this.y = this.toStep = scale(0, 0, 0, 0);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.place);
  }

  /** @param {Record<string, Point[]>} curves */
  update(curves) {
    this.lines = this.series
      .map(({ name, label }, look) => ({ name, label, look, points: curves[name] ?? [] }))
      .filter((line) => line.points.length > 0);
    this.figure.hidden = !this.lines.length; // as before the first evaluation
    this.place.classList.remove("shimmer");
    this.place.setAttribute("aria-label", `Chart. ${this.title}. ${this.lines.map(summary).join(" ")}`);
    this.legend.replaceChildren(...this.lines.map(legendEntry));
    this.draw();
    this.fillTable();
  }

  listen() {
    const readAt = (/** @type {PointerEvent} */ event) => {
      if (this.lines.length) this.look(this.toStep(event.clientX - this.place.getBoundingClientRect().left));
    };
    this.place.addEventListener("pointermove", readAt);
    this.place.addEventListener("pointerdown", readAt);
    this.place.addEventListener("pointerleave", () => this.look(null));
    this.place.addEventListener("blur", () => this.look(null));
    this.place.addEventListener("keydown", (event) => this.press(event));
    this.table.addEventListener("toggle", () => this.fillTable());
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const steps = stepsOf(this.lines);
    const last = steps.length - 1;
    const here = this.at === null ? -1 : steps.indexOf(nearest(steps.map((step) => [step, 0]), this.at)[0]);
    const stride = Math.max(1, Math.round(steps.length / KEY_STOPS));
    const moves = /** @type {Record<string, number>} */ ({
      ArrowLeft: here < 0 ? last : here - stride, ArrowRight: here < 0 ? 0 : here + stride, Home: 0, End: last,
    });
    if (event.key === "Escape") return this.look(null);
    if (!(event.key in moves) || !steps.length) return;
    event.preventDefault();
    this.look(steps[Math.min(last, Math.max(0, moves[event.key]))]);
    const values = this.found().map(({ line, point }) => `${line.label} ${short(point[1])}`);
    this.spoken.textContent = `Step ${Math.round(this.at ?? 0)}: ${values.join(", ")}`;
  }

  /** Show the values near a step. @param {number|null} at */
  look(at) {
    this.at = at;
    this.drawCursor();
  }

  draw() {
    const width = this.place.clientWidth;
    if (!this.lines.length || width < 120) return;
    const [left, right] = [MARGIN.left, width - MARGIN.right];
    const points = this.lines.map((line) => line.points);
    const [first, last] = extent(points, 0);
    const [low, high] = this.range ?? extent(points, 1, 0.06);
    const [x, y] = [scale(first, last, left, right), scale(low, high, HEIGHT - MARGIN.bottom, MARGIN.top)];
    const back = scale(left, right, first, last);
    Object.assign(this, { x, y, toStep: (/** @type {number} */ px) => Math.min(last, Math.max(first, back(px))) });
    const rows = ticks(low, high, 4).flatMap((value) => [
      makeSvg("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }),
      makeSvg("text", { class: "tick", x: left - 7, y: y(value) + 4, "text-anchor": "end" }, short(value)),
    ]);
    const columns = ticks(first, last, Math.max(2, Math.floor(width / 110))).map((value) =>
      makeSvg("text", { class: "tick", x: x(value), y: HEIGHT - 10, "text-anchor": "middle" }, short(value)));
    // At the very left: the first tick may be below the axis itself, and wide.
    const unit = makeSvg("text", { class: "tick", x: 0, y: HEIGHT - 10 }, "step");
    this.place.replaceChildren(makeSvg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" },
      ...rows, ...columns, unit, ...this.lines.map((line) => drawn(line, x, y)), this.cursor));
    this.drawCursor();
  }

  /** The points that are shown: nearest to the step looked at, or the last. */
  found() {
    const at = this.at ?? Infinity;
    return this.lines.map((line) => ({ line, point: nearest(line.points, at) }));
  }

  drawCursor() {
    const { x, y, at } = this;
    const found = this.found();
    found.forEach(({ point }, index) => { find("b", this.legend.children[index]).textContent = short(point[1]); });
    const step = at === null ? null : nearest(found.map(({ point }) => point), at)[0];
    this.readout.textContent = step === null ? "" : `step ${Math.round(step).toLocaleString("en")}`;
    this.cursor.replaceChildren(...(step === null ? [] : [
      makeSvg("line", { x1: x(step), x2: x(step), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }),
      ...found.map(({ line, point }) => dot(line, x(point[0]), y(point[1]))),
    ]));
  }

  fillTable() {
    if (!this.table.open || !this.lines.length) return;
    const steps = stepsOf(this.lines);
    const stride = Math.max(1, Math.ceil(steps.length / TABLE_ROWS));
    const shown = steps.filter((_, index) => index % stride === 0 || index === steps.length - 1);
    const head = make("tr", {}, make("th", { scope: "col" }, "Step"),
      ...this.lines.map((line) => make("th", { scope: "col", className: "number" }, line.label)));
    const rows = shown.map((step) => make("tr", {}, make("th", { scope: "row" }, step.toLocaleString("en")),
      ...this.lines.map((line) => make("td", { className: "number" }, short(nearest(line.points, step)[1])))));
    find("table", this.table).replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  }
}

/** @param {Line} line @param {(value: number) => number} x @param {(value: number) => number} y */
function drawn(line, x, y) {
  if (line.points.length === 1) return dot(line, x(line.points[0][0]), y(line.points[0][1]));
  const path = line.points.map(([step, value]) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
  return makeSvg("path", { class: `line look-${line.look}`, d: `M${path}` });
}

/** @param {Line} line @param {number} x @param {number} y */
function dot(line, x, y) {
  return makeSvg("circle", { class: `dot look-${line.look}`, cx: x, cy: y, r: 4 });
}

/** @param {Line} line */
function summary(line) {
  const values = line.points.map((point) => point[1]);
  const [step, value] = line.points[line.points.length - 1];
  return `${line.label}: ${short(value)} at step ${step}, between ${short(Math.min(...values))} and ${short(Math.max(...values))}.`;
}

/** @param {Line} line */
function legendEntry(line) {
  const sample = makeSvg("svg", { width: 30, height: 10, "aria-hidden": "true" },
    makeSvg("path", { class: `line look-${line.look}`, d: "M1 5H29" }));
  return make("li", {}, sample, make("span", {}, line.label), make("b", {}));
}
