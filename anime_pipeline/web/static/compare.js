// @ts-check
/** Two pictures of one thing, one above the other, with a divider that pointer, touch and keys move. */

import { paintRange } from "./common.js";

const MOST_TIMES = 4; // a tiny result filling the page would only be blurred
const STILL_PX = 12; // how far a press may travel and still count as a press on the picture

/** Shows a picture before and after. */
export class Compare {
  /** @param {HTMLElement} root holds the elements named by `data-compare-…`, the range too */
  constructor(root) {
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-compare-${name}]`));
    this.view = part("view");
    this.frame = part("frame");
    this.clip = part("clip");
    this.handle = part("handle");
    this.before = /** @type {HTMLImageElement} */ (part("before"));
    this.after = /** @type {HTMLImageElement} */ (part("after"));
    this.range = /** @type {HTMLInputElement} */ (part("range"));
    this.size = { width: 1, height: 1 };
    this.full = false;
    this.range.addEventListener("input", () => this.place(Number(this.range.value)));
    this.listen();
    new ResizeObserver(() => this.layOut()).observe(this.view);
  }

  listen() {
    /** @type {{id: number, x: number, y: number, dragging: boolean}|null} */
    let press = null;
    this.frame.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const onHandle = event.target instanceof Element && this.handle.contains(event.target);
      press = { id: event.pointerId, x: event.clientX, y: event.clientY, dragging: onHandle || !this.full };
      if (press.dragging) {
        // A finger that moves up or down scrolls the page: the browser then cancels the press.
        if (event.pointerType === "mouse") event.preventDefault();
        this.frame.setPointerCapture(event.pointerId);
        this.follow(event);
      }
    });
    this.frame.addEventListener("pointermove", (event) => {
      if (press?.id === event.pointerId && press.dragging) this.follow(event);
    });
    this.frame.addEventListener("pointerup", (event) => {
      if (!press) return;
      // At 1:1 a drag scrolls the picture, so that a press moves the divider.
      const still = Math.hypot(event.clientX - press.x, event.clientY - press.y) < STILL_PX;
      if (press.dragging || still) this.follow(event);
      press = null;
    });
    this.frame.addEventListener("pointercancel", () => { press = null; });
  }

  /** @param {PointerEvent} event */
  follow(event) {
    const box = this.frame.getBoundingClientRect();
    this.place(Math.min(100, Math.max(0, ((event.clientX - box.left) / box.width) * 100)));
  }

  /** Put the divider. @param {number} percent of the width that shows the picture before */
  place(percent) {
    this.clip.style.clipPath = `inset(0 ${100 - percent}% 0 0)`;
    this.handle.style.left = `${percent}%`;
    this.range.value = String(percent);
    this.range.setAttribute("aria-valuetext", `${Math.round(percent)} percent before, the rest after`);
    paintRange(this.range);
  }

  /**
   * Show a pair.
   * @param {string} before address of the picture as it was
   * @param {string} after address of the enlarged one
   * @param {{width: number, height: number}} size of the enlarged one
   */
  async show(before, after, size) {
    this.before.src = before;
    this.after.src = after;
    this.size = size;
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

  /** Enlarge the picture before in blocks, or smoothly. @param {boolean} blocks */
  pixelate(blocks) {
    this.before.classList.toggle("blocks", blocks);
  }

  layOut() {
    const { width, height } = this.size;
    const ratio = window.devicePixelRatio || 1;
    const fit = Math.min(this.view.clientWidth / width, (window.innerHeight * 0.75) / height, MOST_TIMES);
    const times = this.full ? 1 / ratio : fit;
    this.frame.style.width = `${Math.max(1, Math.round(width * times))}px`;
    this.frame.style.height = `${Math.max(1, Math.round(height * times))}px`;
  }
}
