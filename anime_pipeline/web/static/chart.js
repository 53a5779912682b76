// @ts-check
/** A line chart in SVG: axes, several lines told apart by colour and dashes, values to read out by
 * pointer and by keyboard, and the same as a table. */

import { make } from "./common.js";
import { extent, nearest, scale, short, ticks } from "./chart_scale.js";

const HEIGHT = 230;
const MARGIN = { top: 10, right: 14, bottom: 30, left: 50 };
const TABLE_ROWS = 25;

/** @typedef {import("./chart_scale.js").Point} Point */
/** @typedef {{name: string, label: string, points: Point[], look: number}} Line */

let charts = 0;

/** Draws the curves that its figure names in `data-series`. */
export class Chart {
  /** @param {HTMLElement} figure */
  constructor(figure) {
    this.figure = figure;
    charts += 1;
    this.title = figure.querySelector("h3")?.textContent ?? "Chart";
    this.series = /** @type {{name: string, label: string}[]} */ (JSON.parse(figure.dataset.series ?? "[]"));
    this.range = figure.dataset.range?.split(",").map(Number);
    /** @type {Line[]} */
    this.lines = [];
    /** @type {number|null} */
    this.at = null;
    this.place = /** @type {HTMLElement} */ (figure.querySelector("[data-chart-place]"));
    this.hint = make("span", { className: "visually-hidden", id: `chart-hint-${charts}` },
      "Left and right arrow keys read the values; Home and End go to the ends.");
    this.heading = figure.querySelector("h3");
    this.readout = make("span", { className: "chart-readout" });
    this.spoken = make("p", { className: "visually-hidden", "aria-live": "polite" });
    this.legend = make("ul", { className: "chart-legend" });
    this.table = make("details", { className: "chart-table" }, make("summary", {}, "As a table"));
    this.body = make("div", { className: "table-wrap" });
    this.table.append(this.body);
    this.table.addEventListener("toggle", () => this.fillTable());
    this.heading?.append(this.readout);
    figure.append(this.legend, this.spoken, this.hint, this.table);
    this.place.tabIndex = 0;
    this.place.setAttribute("role", "group");
    this.place.setAttribute("aria-describedby", this.hint.id);
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
    this.place.addEventListener("pointermove", (event) => this.readAt(event));
    this.place.addEventListener("pointerdown", (event) => this.readAt(event));
    this.place.addEventListener("pointerleave", () => this.look(null));
    this.place.addEventListener("blur", () => this.look(null));
    this.place.addEventListener("keydown", (event) => this.press(event));
  }

  /** @param {PointerEvent} event */
  readAt(event) {
    if (!this.toStep) return;
    this.look(this.toStep(event.clientX - this.place.getBoundingClientRect().left));
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const steps = [...new Set(this.lines.flatMap((line) => line.points.map((point) => point[0])))].sort((a, b) => a - b);
    const here = this.at === null ? -1 : steps.indexOf(nearest(steps.map((step) => [step, 0]), this.at)[0]);
    const stride = Math.max(1, Math.round(steps.length / 40));
    const moves = /** @type {Record<string, number>} */ ({
      ArrowLeft: here < 0 ? steps.length - 1 : here - stride, ArrowRight: here < 0 ? 0 : here + stride,
      Home: 0, End: steps.length - 1,
    });
    if (event.key === "Escape") return this.look(null);
    if (!(event.key in moves) || !steps.length) return;
    event.preventDefault();
    this.look(steps[Math.min(steps.length - 1, Math.max(0, moves[event.key]))]);
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
    const points = this.lines.map((line) => line.points);
    const [first, last] = extent(points, 0);
    const [low, high] = this.range ? [this.range[0], this.range[1]] : extent(points, 1, 0.06);
    const x = scale(first, last, MARGIN.left, width - MARGIN.right);
    const y = scale(low, high, HEIGHT - MARGIN.bottom, MARGIN.top);
    const back = scale(MARGIN.left, width - MARGIN.right, first, last);
    this.toStep = (/** @type {number} */ px) => Math.min(last, Math.max(first, back(px)));
    this.x = x;
    this.y = y;
    const svg = node("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
    for (const value of ticks(low, high, 4)) {
      svg.append(node("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }));
      svg.append(text(short(value), { class: "tick", x: MARGIN.left - 7, y: y(value) + 4, "text-anchor": "end" }));
    }
    for (const value of ticks(first, last, Math.max(2, Math.floor(width / 110)))) {
      svg.append(text(short(value), { class: "tick", x: x(value), y: HEIGHT - 10, "text-anchor": "middle" }));
    }
    // At the very left: the first tick may be below the axis itself, and wide.
    svg.append(text("step", { class: "tick", x: 0, y: HEIGHT - 10 }));
    for (const line of this.lines) svg.append(drawn(line, x, y));
    this.cursor = node("g", { class: "cursor" });
    svg.append(this.cursor);
    this.place.replaceChildren(svg);
    this.drawCursor();
  }

  /** The points that are shown: nearest to the step looked at, or the last. */
  found() {
    const at = this.at;
    return this.lines.map((line) => ({ line, point: at === null ? line.points[line.points.length - 1] : nearest(line.points, at) }));
  }

  drawCursor() {
    if (!this.cursor || !this.x || !this.y) return;
    const { x, y } = this;
    const found = this.found();
    found.forEach(({ point }, index) => {
      const value = this.legend.children[index]?.querySelector("b");
      if (value) value.textContent = short(point[1]);
    });
    if (this.at === null) {
      this.cursor.replaceChildren();
      this.readout.textContent = "";
      return;
    }
    const step = nearest(found.map(({ point }) => point), this.at)[0];
    this.cursor.replaceChildren(
      node("line", { x1: x(step), x2: x(step), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }),
      ...found.map(({ line, point }) =>
        node("circle", { class: `dot look-${line.look}`, cx: x(point[0]), cy: y(point[1]), r: 4 })),
    );
    this.readout.textContent = `step ${Math.round(step).toLocaleString("en")}`;
  }

  fillTable() {
    if (!this.table.open || !this.lines.length) return;
    const steps = [...new Set(this.lines.flatMap((line) => line.points.map((point) => point[0])))].sort((a, b) => a - b);
    const stride = Math.max(1, Math.ceil(steps.length / TABLE_ROWS));
    const shown = steps.filter((_, index) => index % stride === 0 || index === steps.length - 1);
    const head = make("tr", {}, make("th", { scope: "col" }, "Step"),
      ...this.lines.map((line) => make("th", { scope: "col", className: "number" }, line.label)));
    const rows = shown.map((step) => make("tr", {}, make("th", { scope: "row" }, step.toLocaleString("en")),
      ...this.lines.map((line) => make("td", { className: "number" }, short(nearest(line.points, step)[1])))));
    this.body.tabIndex = 0;
    this.body.setAttribute("role", "region");
    this.body.setAttribute("aria-label", `${this.title}, as a table`);
    this.body.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
  }
}

/** @param {Line} line @param {(value: number) => number} x @param {(value: number) => number} y */
function drawn(line, x, y) {
  if (line.points.length === 1) {
    const [step, value] = line.points[0];
    return node("circle", { class: `dot look-${line.look}`, cx: x(step), cy: y(value), r: 4 });
  }
  const path = line.points.map(([step, value]) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
  return node("path", { class: `line look-${line.look}`, d: `M${path}` });
}

/** @param {Line} line */
function summary(line) {
  const values = line.points.map((point) => point[1]);
  const [step, value] = line.points[line.points.length - 1];
  return `${line.label}: ${short(value)} at step ${step}, between ${short(Math.min(...values))} and ${short(Math.max(...values))}.`;
}

/** @param {Line} line */
function legendEntry(line) {
  const sample = node("svg", { width: 30, height: 10, "aria-hidden": "true" });
  sample.append(node("path", { class: `line look-${line.look}`, d: "M1 5H29" }));
  const value = line.points[line.points.length - 1][1];
  return make("li", {}, sample, make("span", {}, line.label), make("b", {}, short(value)));
}

/** @param {string} name @param {Record<string, string|number>} attributes */
function node(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/** @param {string} words @param {Record<string, string|number>} attributes */
function text(words, attributes) {
  const element = node("text", attributes);
  element.textContent = words;
  return element;
}
