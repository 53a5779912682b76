// @ts-check
/** Two pictures of one thing, one above the other, with a divider: a slider as large as they are. */

import { find, setRange } from "./common.js";

const MOST_TIMES = 4; // a tiny result filling the page would only be blurred

/** Shows a picture before and after. */
export class Compare {
  /** @param {HTMLElement} root holds the elements named by `data-compare-…` */
  constructor(root) {
    const part = (/** @type {string} */ name) => find(`[data-compare-${name}]`, root);
    this.view = part("view");
    this.frame = /** @type {HTMLElement} */ (part("frame"));
    this.before = /** @type {HTMLImageElement} */ (part("before"));
    this.after = /** @type {HTMLImageElement} */ (part("after"));
    this.range = /** @type {HTMLInputElement} */ (part("range"));
    this.range.addEventListener("input", () => this.place(this.range.valueAsNumber));
    this.full = false;
    new ResizeObserver(() => this.layOut()).observe(this.view);
  }

  /** Put the divider. @param {number} percent of the width that shows the picture before */
  place(percent) {
    this.frame.style.setProperty("--at", `${percent}%`);
    setRange(this.range, percent, `${Math.round(percent)} percent before, the rest after`);
  }

  /** Show a pair. @param {string} before address of the picture as it was @param {string} after of the enlarged one */
  async show(before, after) {
    this.before.src = before;
    this.after.src = after;
    this.place(50);
    await Promise.all([this.before.decode(), this.after.decode()]);
    this.layOut();
  }

  /** Show one pixel of the result as one of the screen, or all of it. @param {boolean} full */
  zoom(full) {
    this.full = full;
    this.view.classList.toggle("full", full);
    this.layOut();
    if (full) {
      this.view.scrollLeft = (this.view.scrollWidth - this.view.clientWidth) / 2;
      this.view.scrollTop = (this.view.scrollHeight - this.view.clientHeight) / 2;
    }
  }

  layOut() {
    const { naturalWidth: width, naturalHeight: height } = this.after;
    if (!width) return; // nothing is shown yet
    const fit = Math.min(this.view.clientWidth / width, (innerHeight * 0.75) / height, MOST_TIMES);
    const times = this.full ? 1 / devicePixelRatio : fit;
    this.frame.style.width = `${Math.ceil(width * times)}px`;
    this.frame.style.height = `${Math.ceil(height * times)}px`;
  }
}
