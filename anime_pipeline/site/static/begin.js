// @ts-check
/** The worker that draws, begun before its page is there: what it loads takes longest. */

import { kept } from "./store.js";

export const PACE = "ap.pace"; // milliseconds that a face took last time

/** What nobody has listened to yet. @type {any[]} */
const early = [];
let hear = (/** @type {any} */ data) => { early.push(data); };

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
worker.addEventListener("message", ({ data }) => hear(data));
worker.addEventListener("error", ({ message }) => hear({ broken: message }));
// Whether a service worker answers, with what is kept.
tell({ kind: "start", pace_ms: Number(kept(PACE)) || 0, answered: Boolean(navigator.serviceWorker?.controller) });

/** @param {Record<string, unknown>} message */
export function tell(message) {
  worker.postMessage(message);
}

/** Hear all that the worker says, also what it has said already. @param {(data: any) => void} act */
export function listen(act) {
  hear = act;
  early.splice(0).forEach(act);
}
