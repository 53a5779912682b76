// @ts-check
/** Faces that were drawn here, kept by the browser: a wall that is opened again shows them at once. */

import { faceQuery } from "./face.js";

/** @typedef {import("./face.js").Face} Face */
/** @typedef {{picture: Blob, shown: Record<string, string>}} Drawn a PNG, and what a face shows where nothing was asked for */

const ALBUM = "anime-pipeline-faces";
const MOST_SIZE = 128; // pixels: so a picture has 50 kB at most
const MOST_FACES = 400; // and all of them 20 MB
const SHOWN = "X-Shown";
const TRIM_AFTER_MS = 1000;

let trimming = 0;

/** A face that was drawn before, by the same weights and scripts. @param {Face} face @param {number} size @returns {Promise<Drawn|undefined>} */
export async function recall(face, size) {
  try {
    const found = await (await opened(size))?.match(addressOf(face, size));
    return found && { picture: await found.blob(), shown: JSON.parse(decodeURIComponent(found.headers.get(SHOWN) ?? "%7B%7D")) };
  } catch (error) {
    console.debug("Not found again:", error); // then it is drawn
    return undefined;
  }
}

/** @param {Face} face @param {number} size @param {Drawn} drawn */
export async function remember(face, size, { picture, shown }) {
  const album = await opened(size);
  const headers = { "Content-Type": picture.type, [SHOWN]: encodeURIComponent(JSON.stringify(shown)) };
  await album?.put(addressOf(face, size), new Response(picture, { headers })).catch(console.debug); // the disk may be full
  trimming ||= setTimeout(trim, TRIM_AFTER_MS);
}

/** Forget those that were drawn longest ago. */
async function trim() {
  trimming = 0;
  const album = await opened(0);
  const addresses = await album?.keys() ?? [];
  for (const address of addresses.slice(0, -MOST_FACES)) await album?.delete(address);
}

/** The name of a picture: below that of the scripts, which is another one whenever they are. @param {Face} face @param {number} size */
function addressOf(face, size) {
  const weights = document.body.dataset.weights ?? "";
  return new URL(`face?${faceQuery({ ...face, weights }, { size })}`, import.meta.url).href;
}

/** Where there is https. @param {number} size of the picture @returns {Promise<Cache|undefined>} */
async function opened(size) {
  return size > MOST_SIZE ? undefined : globalThis.caches?.open(ALBUM).catch(() => undefined);
}
