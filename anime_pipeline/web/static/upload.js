// @ts-check
/** Sending a picture to be enlarged: with its progress there and back, and waiting when refused. */

import { pause, RequestError } from "./api.js";

const ADDRESS = "/api/v1/upscale";
const TRIES = 4;
const BUSY = new Set([429, 503]);
const LOOK_MS = 400;

/** @typedef {{state: "sending"|"waiting"|"running"|"busy", share: number|null, seconds?: number}} Progress */

/**
 * Enlarge a picture.
 * @param {File|Blob} picture
 * @param {{scale: number, realism: number, signal: AbortSignal, onProgress: (progress: Progress) => void}} options
 * @returns {Promise<Blob>} the result, a PNG
 * @throws {RequestError} with the server's own words; an AbortError passes unchanged
 */
export async function enlarge(picture, { scale, realism, signal, onProgress }) {
  for (let attempt = 1; ; attempt += 1) {
    const ticket = makeTicket();
    const form = new FormData();
    form.append("image", picture, "picture");
    for (const [name, value] of Object.entries({ scale, realism, ticket })) form.append(name, String(value));
    const done = new AbortController();
    onProgress({ state: "sending", share: null });
    const answer = await send(form, signal, {
      onShare: (share) => onProgress({ state: "sending", share }),
      onSent: () => { onProgress({ state: "waiting", share: null }); watch(ticket, done.signal, onProgress); },
    }).finally(() => done.abort());
    if (answer.status === 200) return answer.body;
    if (!BUSY.has(answer.status) || attempt >= TRIES) throw await problemOf(answer);
    const seconds = Math.min(Number(answer.retryAfter) || attempt, 60) + Math.random() * 0.5;
    onProgress({ state: "busy", share: null, seconds });
    await pause(seconds * 1000, signal);
  }
}

function makeTicket() {
  if ("randomUUID" in crypto) return crypto.randomUUID();
  // Pages without https lack it. The ticket only has to differ from others.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * XMLHttpRequest, as fetch cannot tell how much of a body has been sent.
 * @param {FormData} form
 * @param {AbortSignal} signal
 * @param {{onShare: (share: number) => void, onSent: () => void}} on
 * @returns {Promise<{status: number, body: Blob, retryAfter: string|null}>}
 */
function send(form, signal, { onShare, onSent }) {
  return new Promise((resolve, reject) => {
    const calledOff = () => new DOMException("Called off.", "AbortError");
    if (signal.aborted) return reject(calledOff());
    const exchange = new XMLHttpRequest();
    const stop = () => {
      exchange.abort();
      // Closing the line alone would leave the server at work for nobody.
      fetch(`${ADDRESS}/${form.get("ticket")}`, { method: "DELETE", keepalive: true })
        .catch((error) => console.debug("Not called off:", error));
    };
    exchange.open("POST", ADDRESS);
    exchange.responseType = "blob";
    exchange.setRequestHeader("Accept", "image/png, application/problem+json;q=0.5");
    exchange.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable && event.loaded < event.total) onShare(event.loaded / event.total);
    });
    exchange.upload.addEventListener("load", onSent);
    exchange.addEventListener("load", () => resolve({
      status: exchange.status, body: exchange.response, retryAfter: exchange.getResponseHeader("Retry-After"),
    }));
    exchange.addEventListener("error", () => reject(
      new RequestError("The server did not answer. The line may have broken, or the file is larger than it accepts.", 0)));
    exchange.addEventListener("abort", () => reject(calledOff()));
    exchange.addEventListener("loadend", () => signal.removeEventListener("abort", stop));
    signal.addEventListener("abort", stop);
    exchange.send(form);
  });
}

/**
 * Ask how far it is until it is done.
 * @param {string} ticket
 * @param {AbortSignal} signal
 * @param {(progress: Progress) => void} onProgress
 */
async function watch(ticket, signal, onProgress) {
  /** @type {number|null} */
  let began = null;
  try {
    while (!signal.aborted) {
      await pause(LOOK_MS, signal);
      const response = await fetch(`${ADDRESS}/${ticket}`, { signal });
      if (!response.ok) continue;
      const { state, done, total } = await response.json();
      if (signal.aborted || state === "done") return;
      if (state !== "running" || !total) {
        onProgress({ state: "waiting", share: null });
        continue;
      }
      began ??= Date.now() - LOOK_MS;
      const seconds = done > 0 ? ((Date.now() - began) / 1000 / done) * (total - done) : undefined;
      onProgress({ state: "running", share: done / total, seconds });
    }
  } catch (error) {
    // It has ended, or the line broke: then the upload itself says what happened.
    console.debug("No progress:", error);
  }
}

/** @param {{status: number, body: Blob}} answer */
async function problemOf({ status, body }) {
  /** @type {{detail?: string, title?: string}} */
  let problem = {};
  try {
    problem = JSON.parse(await body.text());
  } catch (error) {
    console.debug("The answer is no problem document:", error); // as from a proxy in between
  }
  const large = status === 413 ? "The file is larger than the server accepts." : "";
  return new RequestError(problem.detail || large || problem.title || `The server answered with status ${status}.`, status);
}
