// @ts-check
/** Beside the page: draws faces, travels between them and enlarges pictures, as `local.js` asks for it. */

import { askedBy } from "./condition.js";
import { Engine } from "./engine.js";
import { walk } from "./latent.js";
import { writePng } from "./png.js";
import { Queue } from "./queue.js";

/** @typedef {import("./face.js").Face} Face */
/** @typedef {import("./engine.js").Picture} Picture */

let came = 0;
let told = 0;
let fetched = false; // whether anything was not kept already
const engine = new Engine(new URL("../../", import.meta.url), (bytes, fromHost) => {
  came += bytes;
  fetched ||= fromHost;
  if (!fetched || performance.now() - told < 100) return;
  told = performance.now();
  if (engine.site) postMessage({ arrival: { came, total: engine.total } });
});
/** @type {Promise<Queue>} */
let started;
/** Questions that have been called off. @type {Set<number>} */
const off = new Set();

/** Load everything, in the order in which it is needed. @param {number} pace_ms @param {boolean} answered */
async function start(pace_ms, answered) {
  await engine.start(answered);
  const queue = new Queue(engine, pace_ms, (now) => postMessage({ pace_ms: now }));
  engine.upscaler(true, 1).session
    .then(() => engine.keepRest())
    .then(() => postMessage({ saved: true }))
    .catch((error) => console.debug("Not all is here:", error)); // whoever needs it will ask again
  return queue;
}

/**
 * Draw faces, or what lies between some.
 * @param {number} id
 * @param {{latent: Float32Array, condition: Float32Array}[]} seeds
 * @param {{size: number, realism: number, urgent?: boolean, onPreview?: (small: Picture) => void}} how
 * @returns {Promise<Picture[]>}
 */
async function drawn(id, seeds, { size, realism, urgent = false, onPreview }) {
  const queue = await started;
  if (off.has(id)) throw new Error("called off");
  const times = Math.round(Math.log(size / 32) / Math.log(4)); // 32, 128 and 512, as pages call them
  return Promise.all(seeds.map((seed) => new Promise((done, failed) => {
    queue.add({ id, seed, times, realism, urgent, done, failed, onPreview });
  })));
}

/** What each kind of question is answered with. @type {Record<string, (id: number, asked: any) => Promise<any>>} */
const ANSWERS = {
  async face(id, { face, size, urgent }) {
    await started;
    const seed = engine.seedOf(face);
    const texts = textsOf(face, size);
    const onPreview = async (/** @type {Picture} */ small) => postMessage({ id, preview: await writePng(small) });
    const [picture] = await drawn(id, [seed], { size, realism: face.realism, urgent, onPreview });
    return { picture: await writePng(picture, texts), shown: askedBy(seed.condition, engine.site.generator.parts) };
  },
  async blend(id, { ends, frames }) {
    const pictures = await journey(id, ends, frames, false);
    return Promise.all(pictures.map((picture) => writePng(picture)));
  },
  async film(id, { ends, frames, fps }) {
    const { writeGif } = await import("./gif.js");
    return writeGif(await journey(id, ends, frames, true), fps);
  },
  async upscale(id, { picture, scale, realism, denoise }) {
    await started;
    const { session } = engine.upscaler(false, realism, denoise);
    const [network, { upscaled }] = await Promise.all([session, import("./enlarge.js")]);
    const onProgress = (/** @type {number} */ done, /** @type {number} */ total) => postMessage({ id, progress: { done, total } });
    return upscaled(picture, scale, {
      enlarge: async (window) => (await engine.enlarge(network, [window]))[0],
      onProgress, mostPixels: engine.site.most_pixels, isOff: () => off.has(id), texts: { Software: engine.site.texts.software },
    });
  },
};

/** The way from face to face, in the manner of the first. @param {number} id @param {Face[]} ends @param {number} frames @param {boolean} loop */
async function journey(id, ends, frames, loop) {
  await started;
  const { truncation, realism } = ends[0];
  const seeds = ends.map((face) => engine.seedOf({ ...face, truncation }));
  const latents = walk(seeds.map(({ latent }) => latent), frames, loop, true);
  const conditions = walk(seeds.map(({ condition }) => condition), frames, loop, false);
  return drawn(id, latents.map((latent, i) => ({ latent, condition: conditions[i] })), { size: 128, realism });
}

/** What a picture's file says of itself, as `inference/spec.py` writes it. @param {Face} face @param {number} size */
function textsOf(face, size) {
  const { generator, upscaler, texts } = engine.site;
  const look = Object.fromEntries(generator.parts.map((/** @type {{name: string}} */ { name }) => name)
    .map((/** @type {"hair"} */ name) => [name, engine.site.colours[name]?.[face[name]] ?? face[name]])
    .filter((/** @type {string[]} */ [, value]) => value));
  const neighbour = face.strength ? { variation: String(face.variation), strength: String(face.strength) } : {};
  const truncation = face.truncation === 1 ? {} : { truncation: String(face.truncation) };
  const last = size > 32 && face.realism === 1 ? { [texts.weights.srgan]: upscaler.arrays[upscaler.drawn[1]].sha256_weights } : {};
  return {
    Software: texts.software, seed: face.seed, ...look, ...neighbour, ...truncation,
    [texts.weights.dcgan]: generator.sha256, ...last,
  };
}

addEventListener("message", async ({ data: { id, kind, ...asked } }) => {
  if (kind === "start") {
    started = start(asked.pace_ms, asked.answered);
    started.then(() => postMessage({ ready: true }), (error) => postMessage({ broken: String(error) }));
  } else if (kind === "cancel") {
    off.add(id);
    started.then((queue) => queue.cancel(id), console.debug);
  } else {
    try {
      postMessage({ id, result: await ANSWERS[kind](id, asked) });
    } catch (error) {
      postMessage({ id, error: String(/** @type {Error} */ (error).message ?? error), status: /** @type {any} */ (error).status ?? 0 });
    } finally {
      off.delete(id);
    }
  }
});
