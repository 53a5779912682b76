// @ts-check
/** What the pages ask for, answered by the HTTP API: faces, blends, enlarged pictures, training runs. */

import { RequestError, pause } from "./errors.js";
import { asServed, faceQuery, lookOf, noteServed } from "./face.js";
import { patiently, postForm, request } from "./http.js";

const API = "/api/v1";
const LOOK_MS = 400; // how often an upload is asked how far it is

/** @typedef {import("./face.js").Face} Face */
/** @typedef {import("./http.js").Patience} Patience */
/** @typedef {{image: string, hair?: string, skin?: string, eyes?: string, length?: string}} Shown a face as it came out */
/** @typedef {{state: "sending"|"waiting"|"running"|"busy", share: number|null, seconds?: number}} Progress */

/**
 * The address of a face's picture, a PNG.
 * @param {Face} face
 * @param {number} [size] of one side, in pixels: 32, 128 or 512
 */
export function imageUrl(face, size = 128) {
  return `${API}/generate?${faceQuery(face, size === 128 ? {} : { size })}`;
}

/** The picture of a face, as a file. @param {Face} face @param {number} size @param {Patience} [patience] */
export async function fetchPicture(face, size, patience) {
  return (await request(imageUrl(face, size), patience)).blob();
}

/**
 * A face as it comes out by the weights that are served now.
 * @param {Face} face
 * @param {number} size
 * @param {Patience} [patience]
 * @returns {Promise<Shown>} its picture as a data: address, and the look that was measured in it
 */
export async function fetchFace(face, size, patience) {
  const asked = asServed(face);
  try {
    const { weights, faces } = await getJson(imageUrl(asked, size), patience);
    noteServed(face.model, weights);
    return faces[0];
  } catch (error) {
    if (!(error instanceof RequestError && error.status === 409 && asked.weights)) throw error;
    // Another server has taken over with other weights: what it draws is still worth seeing.
    noteServed(face.model, "");
    return fetchFace(face, size, patience);
  }
}

/**
 * The way from one face to another; all of its pictures are drawn in the manner of the first.
 * @param {Face[]} ends
 * @param {number} frames how many steps
 * @param {Patience} patience
 * @returns {Promise<string[]>} data: addresses
 */
export async function fetchBlend(ends, frames, patience) {
  const response = await postBlend(ends, { frames }, "application/json", patience);
  return (await response.json()).frames;
}

/**
 * The way there and back, as an animated GIF.
 * @param {Face[]} ends
 * @param {number} frames how many steps one way
 * @param {number} fps
 * @param {Patience} patience
 */
export async function fetchFilm(ends, frames, fps, patience) {
  return (await postBlend(ends, { frames, fps, loop: true }, "image/gif", patience)).blob();
}

/** Learn the weights of all models that are served. */
export async function learnServed() {
  const { models, default: first } = await getJson(`${API}/models`);
  for (const { name, weights } of models) {
    noteServed(name, weights);
    if (name === first) noteServed("", weights);
  }
}

/**
 * A training run: its samples and curves.
 * @param {string} address as its page tells
 * @returns {Promise<{samples: {epoch: number, url: string}[], curves: Record<string, [number, number][]>}>}
 */
export function fetchRun(address) {
  return getJson(address);
}

/** This page as the server would give it now, as HTML. */
export async function fetchPage() {
  return (await request(location.href, { headers: { Accept: "text/html" } })).text();
}

/**
 * Enlarge a picture.
 * @param {Blob} picture
 * @param {{scale: number, realism: number, denoise: number, signal: AbortSignal, onProgress: (progress: Progress) => void}} options
 * @returns {Promise<Blob>} the result, a PNG
 * @throws {RequestError} with the server's own words; an AbortError passes unchanged
 */
export async function upscale(picture, { scale, realism, denoise, signal, onProgress }) {
  const send = async () => {
    const ticket = crypto.getRandomValues(new Uint32Array(4)).join("-"); // no randomUUID without https
    const form = new FormData();
    form.append("image", picture, "picture");
    for (const [name, value] of Object.entries({ scale, realism, denoise, ticket })) form.append(name, String(value));
    const done = new AbortController();
    onProgress({ state: "sending", share: null });
    try {
      return await postForm(`${API}/upscale`, form, {
        signal,
        onShare: (share) => onProgress({ state: "sending", share }),
        onSent: () => followUpload(ticket, done.signal, onProgress).catch(console.debug),
      });
    } finally {
      done.abort();
      // Closing the line alone would leave the server at work for nobody.
      if (signal.aborted) request(`${API}/upscale/${ticket}`, { method: "DELETE", keepalive: true }).catch(console.debug);
    }
  };
  const response = await patiently(send, { signal, onWait: (seconds) => onProgress({ state: "busy", share: null, seconds }) });
  return response.blob();
}

/**
 * Ask how far an upload is until it is done.
 * @param {string} ticket
 * @param {AbortSignal} signal
 * @param {(progress: Progress) => void} onProgress
 */
async function followUpload(ticket, signal, onProgress) {
  let began = 0;
  onProgress({ state: "waiting", share: null });
  while (!signal.aborted) {
    await pause(LOOK_MS, signal);
    // What goes wrong here, the upload itself will say.
    const { state, done, total } = (await getJson(`${API}/upscale/${ticket}`, { signal }).catch(console.debug)) ?? {};
    if (signal.aborted || state === "done") return;
    if (state === "running" && total) {
      began ||= Date.now() - LOOK_MS;
      const seconds = done > 0 ? ((Date.now() - began) / 1000 / done) * (total - done) : undefined;
      onProgress({ state, share: done / total, seconds });
    } else onProgress({ state: "waiting", share: null });
  }
}

/**
 * @param {Face[]} ends
 * @param {{frames: number, fps?: number, loop?: boolean}} journey
 * @param {string} accept
 * @param {Patience} patience
 */
function postBlend(ends, journey, accept, patience) {
  const { truncation, realism, model } = ends[0];
  const stops = ends.map((face) => ({ seed: face.seed, ...lookOf(face) }));
  const body = JSON.stringify({ stops, truncation, realism, model: model || undefined, size: 128, ...journey })
    .replace(/("seed":)"(\d+)"/g, "$1$2"); // as numbers, however large
  const headers = { "Content-Type": "application/json", Accept: accept };
  return request(`${API}/interpolate`, { method: "POST", headers, body, ...patience });
}

/** @param {string} address @param {Patience} [patience] @returns {Promise<any>} */
async function getJson(address, patience) {
  return (await request(address, { headers: { Accept: "application/json" }, ...patience })).json();
}
