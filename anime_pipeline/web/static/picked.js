// @ts-check
/** A picture that somebody chose: looked at in the browser before anything is sent. */

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
  const url = URL.createObjectURL(file);
  try {
    const { width, height } = await measured(url, file.name);
    if (width * height > limits.pixels) {
      throw new UnfitError(`“${file.name}” has ${width} × ${height} pixels; up to ${limits.pixels / 1e6} million are possible (such as ${square(limits.pixels)} × ${square(limits.pixels)}). It is large already: cut out the part you want.`);
    }
    const still = file.type === "image/gif" ? await firstFrame(file) : null;
    if (still) URL.revokeObjectURL(url);
    return { file, name: file.name.replace(/\.[^.]*$/, "") || "picture", url: still ?? url, width, height };
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes % 1e6 ? 1 : 0);
}

/** @param {number} pixels */
function square(pixels) {
  return Math.floor(Math.sqrt(pixels));
}

/** @param {string} url @param {string} name */
async function measured(url, name) {
  const picture = new Image();
  picture.src = url;
  try {
    await picture.decode();
  } catch (error) {
    console.debug("Not decoded:", error);
    throw new UnfitError(`“${name}” cannot be read as a picture; it may be damaged. Open it in another program and save it anew.`);
  }
  return { width: picture.naturalWidth, height: picture.naturalHeight };
}

/** The first picture of an animation, which is the one that is enlarged. @param {File} file */
async function firstFrame(file) {
  const bitmap = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve));
  return blob instanceof Blob ? URL.createObjectURL(blob) : null;
}

/**
 * Call `take` with what is dropped on the page, pasted into it or chosen with a button.
 * @param {HTMLElement} zone
 * @param {HTMLInputElement} input
 * @param {(file: File) => void} take
 * @param {(words: string) => void} refuse
 */
export function listen(zone, input, take, refuse) {
  const first = (/** @type {FileList|undefined} */ files) => (files?.length ? files[0] : null);
  input.addEventListener("change", () => {
    const file = first(input.files ?? undefined);
    if (file) take(file);
    input.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    const file = first(event.clipboardData?.files);
    if (file) { event.preventDefault(); take(file); }
    else if (!(event.target instanceof HTMLInputElement)) refuse("There is no picture on the clipboard. Copy one first.");
  });
  // The whole page takes a drop: a browser would else leave the page for a picture that missed.
  let depth = 0;
  const mark = () => zone.classList.toggle("over", depth > 0);
  document.addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; mark(); });
  document.addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); mark(); });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    mark();
    const file = first(event.dataTransfer?.files);
    if (file) take(file);
    else refuse("That was no file. Save the picture first, then drop the file here.");
  });
}
