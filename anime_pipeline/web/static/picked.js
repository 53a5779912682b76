// @ts-check
/** A picture that somebody chose: looked at in the browser before anything is sent. */

import { onFile } from "./common.js";

const KINDS = new Set(["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/x-ms-bmp", "image/avif"]);

/** A picture that cannot be taken, with words for people in `message`. */
export class UnfitError extends Error {}

/**
 * @typedef {{file: File, name: string, url: string, width: number, height: number}} Picked
 * `url` shows the picture and is to be revoked; `name` has no ending
 */

/**
 * Look at a file.
 * @param {File} file
 * @param {{bytes: number, pixels: number}} limits
 * @returns {Promise<Picked>}
 * @throws {UnfitError} if it is too large or no picture
 */
export async function pick(file, limits) {
  if (file.type && !KINDS.has(file.type)) {
    throw new UnfitError(`“${file.name}” is no PNG, JPEG, WebP, AVIF, GIF or BMP file. Save the picture as one of these first.`);
  }
  if (file.size === 0) throw new UnfitError(`“${file.name}” is empty. Choose another file.`);
  if (file.size > limits.bytes) {
    throw new UnfitError(`“${file.name}” has ${megabytes(file.size)} MB; up to ${megabytes(limits.bytes)} MB are possible. Save it smaller, or cut out the part you want.`);
  }
  const bitmap = await createImageBitmap(file).catch((error) => {
    console.debug("Not decoded:", error);
    throw new UnfitError(`“${file.name}” cannot be read as a picture; it may be damaged. Open it in another program and save it anew.`);
  });
  const { width, height } = bitmap;
  bitmap.close();
  if (width * height > limits.pixels) {
    const side = Math.floor(Math.sqrt(limits.pixels));
    throw new UnfitError(`“${file.name}” has ${width} × ${height} pixels; up to ${limits.pixels / 1e6} million are possible (such as ${side} × ${side}). It is large already: cut out the part you want.`);
  }
  return { file, name: file.name.replace(/\.[^.]*$/, "") || "picture", url: URL.createObjectURL(file), width, height };
}

/** @param {number} bytes */
function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes % 1e6 ? 1 : 0);
}

/**
 * Call `take` with what is dropped on the page, pasted into it or chosen with a button.
 * @param {HTMLElement} zone
 * @param {HTMLInputElement} input
 * @param {(file: File) => void} take
 * @param {(words: string) => void} refuse
 */
export function listen(zone, input, take, refuse) {
  onFile(input, take);
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) { event.preventDefault(); take(file); }
    else if (!(event.target instanceof HTMLInputElement)) refuse("There is no picture on the clipboard. Copy one first.");
  });
  // The whole page takes a drop: a browser would else leave the page for a picture that missed.
  for (const over of /** @type {const} */ (["dragenter", "dragover"])) {
    document.addEventListener(over, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) zone.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
    else refuse("That was no file. Save the picture first, then drop the file here.");
  });
}
