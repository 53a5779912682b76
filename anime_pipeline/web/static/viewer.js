// @ts-check
/** Sample grids over the epochs of a run: a slider through time, play, neighbours loaded ahead. */

import { find, say, setRange } from "./common.js";
import { createPlayer } from "./player.js";

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
    this.picture = /** @type {HTMLImageElement} */ (find("[data-viewer-picture]", root));
    this.words = find("[data-viewer-words]", root);
    this.range = /** @type {HTMLInputElement} */ (find("input[type=range]", root));
    this.player = createPlayer(find("[data-viewer-play]", root), () => this.step(),
      () => Math.min(FRAME_MS, LONGEST_PLAY_MS / this.samples.length), (plays) => this.switched(plays));
    this.range.addEventListener("input", () => { this.player.stop(); this.show(this.range.valueAsNumber); });
  }

  /**
   * Take over the samples there are now; whoever looks at the newest goes on to the new newest.
   * @param {Sample[]} samples
   */
  update(samples) {
    const atEnd = this.index < 0 || this.index === this.samples.length - 1;
    this.samples = samples;
    this.root.hidden = samples.length === 0;
    find("[data-viewer-empty]").hidden = samples.length > 0;
    find("[data-viewer-controls]", this.root).hidden = samples.length < 2;
    this.range.max = String(Math.max(0, samples.length - 1));
    if (samples.length) this.show(atEnd && !this.player.plays() ? samples.length - 1 : Math.max(0, this.index));
  }

  /** @param {number} index */
  show(index) {
    const sample = this.samples[index];
    if (!sample) return;
    this.index = index;
    const words = sample.epoch ? `After epoch ${sample.epoch.toLocaleString("en")}` : "Soon after the start";
    if (this.picture.getAttribute("src") !== sample.url) this.picture.src = sample.url;
    this.picture.alt = `Sample grid: ${words.toLowerCase()}`;
    say(this.words, words);
    find("[data-viewer-count]", this.root).textContent = `${index + 1} of ${this.samples.length}`;
    setRange(this.range, index, `${words}, picture ${index + 1} of ${this.samples.length}`);
    for (const near of [index + 1, index - 1, index + 2]) this.load(near);
  }

  /** @param {number} index @returns {HTMLImageElement|undefined} */
  load(index) {
    const { url: src } = this.samples[index] ?? {};
    if (src && !this.loaded.has(src)) this.loaded.set(src, Object.assign(new Image(), { src }));
    return this.loaded.get(src);
  }

  /** From the first to the last; from where it stands, if that is not the last. @param {boolean} plays */
  switched(plays) {
    // A screen reader would otherwise read every frame out.
    this.words.setAttribute("aria-live", plays ? "off" : "polite");
    if (plays && this.index >= this.samples.length - 1) this.show(0);
  }

  /** Show the next sample; false at the end. */
  async step() {
    const next = this.load(this.index + 1);
    // A slow line slows the film down; it does not skip.
    await next?.decode().catch(() => undefined);
    if (next && this.player.plays()) this.show(this.index + 1);
    return Boolean(next);
  }
}
