// @ts-check
/** The pixels of a picture's file, upright and in sRGB, as a browser decodes it. */

/** @typedef {import("./engine.js").Picture} Picture */

/** @param {Blob} file @returns {Promise<Picture>} RGB, or RGBA where something shows through */
export async function pixelsOf(file) {
  const bitmap = await createImageBitmap(file);
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  for (let i = 3; i < data.length; i += 4) {
    if (data[i] < 255) return { width, height, channels: 4, data: (await exactly(file, width, height)) ?? new Uint8Array(data.buffer) };
  }
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i += 1) rgb.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  return { width, height, channels: 3, data: rgb };
}

/** RGBA that no canvas has multiplied, where the browser can tell it. @param {Blob} file @param {number} width @param {number} height */
async function exactly(file, width, height) {
  const Decoder = /** @type {any} */ (globalThis).ImageDecoder;
  if (!Decoder) return null;
  try {
    const decoder = new Decoder({ data: await file.arrayBuffer(), type: file.type, premultiplyAlpha: "none" });
    const { image } = await decoder.decode();
    const data = new Uint8Array(width * height * 4);
    const fits = image.codedWidth === width && image.codedHeight === height;
    if (fits) await image.copyTo(data, { format: "RGBA" });
    image.close();
    decoder.close();
    return fits ? data : null;
  } catch (error) {
    console.debug("Not decoded exactly:", error);
    return null;
  }
}
