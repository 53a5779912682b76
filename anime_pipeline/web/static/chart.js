// @ts-check
/** A line chart in SVG: axes, several lines told apart by colour and dashes, values to read out with
 * the slider that lies on it, and the same as a table. */

import { find, make, makeSvg } from "./common.js";
import { extent, nearest, scale, short, stepsOf, ticks } from "./chart_scale.js";

const HEIGHT = 230;
const MARGIN = { top: 10, right: 14, bottom: 30, left: 50 }; // the slider has those of the sides too
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
    this.slider = /** @type {HTMLInputElement} */ (part("slider"));
    this.readout = part("readout");
    this.legend = part("legend");
    this.table = part("table");
    this.series = /** @type {{name: string, label: string}[]} */ (JSON.parse(figure.dataset.series ?? "[]"));
    this.range = figure.dataset.range?.split(",").map(Number);
    /** @type {Line[]} */
    this.lines = [];
    /** The step that is looked at. @type {number|null} */
    this.at = null;
    this.cursor = makeSvg("g", { class: "cursor" });
    this.x = this.y = scale(0, 0, 0, 0);
    this.slider.addEventListener("input", () => this.look(this.slider.valueAsNumber));
    // A mouse that only points is read more finely than the slider moves.
    this.slider.addEventListener("pointermove", ({ offsetX }) => {
      const { min, max, clientWidth } = this.slider;
      this.look(scale(0, clientWidth, Number(min), Number(max))(offsetX));
    });
    for (const end of ["pointerleave", "blur"]) this.slider.addEventListener(end, () => this.look(null));
    this.table.addEventListener("toggle", () => this.fillTable());
    new ResizeObserver(() => this.draw()).observe(this.place);
  }

  /** @param {Record<string, Point[]>} curves */
  update(curves) {
    this.lines = this.series
      .map(({ name, label }, look) => ({ name, label, look, points: curves[name] ?? [] }))
      .filter((line) => line.points.length > 0);
    this.figure.hidden = !this.lines.length; // as before the first evaluation
    this.place.classList.remove("shimmer");
    this.slider.setAttribute("aria-label", `Chart. ${this.title}. ${this.lines.map(summary).join(" ")}`);
    this.legend.replaceChildren(...this.lines.map(legendEntry));
    this.draw();
    this.fillTable();
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
    const step = (last - first) / Math.min(KEY_STOPS, stepsOf(this.lines).length - 1) || "any";
    Object.assign(this.slider, { min: first, max: last, step, value: this.at ?? last });
    Object.assign(this, { x, y });
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

  /** Show the values nearest to the step that is looked at, or the last. */
  drawCursor() {
    const { x, y, at } = this;
    const found = this.lines.map((line) => ({ line, point: nearest(line.points, at ?? Infinity) }));
    found.forEach(({ point }, index) => { find("b", this.legend.children[index]).textContent = short(point[1]); });
    const step = at === null ? null : nearest(found.map(({ point }) => point), at)[0];
    this.readout.textContent = step === null ? "" : `step ${Math.round(step).toLocaleString("en")}`;
    const values = found.map(({ line, point }) => `${line.label} ${short(point[1])}`).join(", ");
    this.slider.setAttribute("aria-valuetext", step === null ? values : `Step ${Math.round(step)}: ${values}`);
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
