// @ts-check
/** Sample grids over the epochs of a run: a slider through time, play, neighbours loaded ahead. */

import { icon, paintRange } from "./common.js";

const LONGEST_PLAY_MS = 9000;
const FRAME_MS = 260;

/** @typedef {{epoch: number, url: string}} Sample */

/** Shows one sample grid at a time. */
export class Viewer {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {Sample[]} */
    this.samples = [];
    this.index = -1;
    /** @type {Map<string, HTMLImageElement>} */
    this.loaded = new Map();
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.timer = undefined;
    this.picture = /** @type {HTMLImageElement} */ (root.querySelector("[data-viewer-picture]"));
    this.words = /** @type {HTMLElement} */ (root.querySelector("[data-viewer-words]"));
    this.count = /** @type {HTMLElement} */ (root.querySelector("[data-viewer-count]"));
    this.controls = /** @type {HTMLElement} */ (root.querySelector("[data-viewer-controls]"));
    this.button = /** @type {HTMLButtonElement} */ (root.querySelector("[data-viewer-play]"));
    this.range = /** @type {HTMLInputElement} */ (root.querySelector("input[type=range]"));
    this.range.addEventListener("input", () => { this.stop(); this.show(Number(this.range.value)); });
    this.button.addEventListener("click", () => (this.playing ? this.stop() : this.play()));
  }

  get playing() {
    return this.timer !== undefined;
  }

  /**
   * Take over the samples there are now; whoever looks at the newest goes on to the new newest.
   * @param {Sample[]} samples
   */
  update(samples) {
    const atEnd = this.index < 0 || this.index === this.samples.length - 1;
    this.samples = samples;
    this.root.hidden = samples.length === 0;
    const empty = document.querySelector("[data-viewer-empty]");
    if (empty instanceof HTMLElement) empty.hidden = samples.length > 0;
    this.controls.hidden = samples.length < 2;
    this.range.max = String(Math.max(0, samples.length - 1));
    if (samples.length) this.show(atEnd && !this.playing ? samples.length - 1 : Math.max(0, this.index));
  }

  /** @param {number} index */
  show(index) {
    const sample = this.samples[index];
    if (!sample) return;
    this.index = index;
    const words = sample.epoch ? `After epoch ${sample.epoch.toLocaleString("en")}` : "Soon after the start";
    if (this.picture.getAttribute("src") !== sample.url) this.picture.src = sample.url;
    this.picture.alt = `Sample grid: ${words.toLowerCase()}`;
    if (this.words.textContent !== words) this.words.textContent = words;
    this.count.textContent = `${index + 1} of ${this.samples.length}`;
    this.range.value = String(index);
    this.range.setAttribute("aria-valuetext", `${words}, picture ${index + 1} of ${this.samples.length}`);
    paintRange(this.range);
    for (const near of [index + 1, index - 1, index + 2]) this.load(near);
  }

  /** @param {number} index */
  load(index) {
    const sample = this.samples[index];
    if (!sample || this.loaded.has(sample.url)) return;
    const picture = new Image();
    picture.src = sample.url;
    this.loaded.set(sample.url, picture);
  }

  /** Go from the first to the last; from where it stands, if that is not the last. */
  play() {
    // A screen reader would otherwise read every frame out.
    this.words.setAttribute("aria-live", "off");
    this.mark("pause", true);
    if (this.index >= this.samples.length - 1) this.show(0);
    const frame_ms = Math.min(FRAME_MS, LONGEST_PLAY_MS / this.samples.length);
    const next = async () => {
      const sample = this.samples[this.index + 1];
      if (!sample) return this.stop();
      this.load(this.index + 1);
      // A slow line slows the film down; it does not skip.
      await this.loaded.get(sample.url)?.decode().catch(() => undefined);
      if (!this.playing) return;
      this.show(this.index + 1);
      this.timer = setTimeout(next, frame_ms);
    };
    this.timer = setTimeout(next, frame_ms);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.words.setAttribute("aria-live", "polite");
    this.mark("play", false);
  }

  /** @param {string} name @param {boolean} pressed */
  mark(name, pressed) {
    this.button.replaceChildren(icon(name));
    this.button.setAttribute("aria-pressed", String(pressed));
  }
}
