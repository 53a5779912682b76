// @ts-check
/** Exchanges with the server: they can be called off, wait while it is busy, and fail in words. */

import { RequestError, isAbort, pause } from "./errors.js";

const TRIES = 4;
const MOST_WAIT_S = 60;
const BUSY = new Set([429, 503]);

/** @typedef {{signal?: AbortSignal, onWait?: (seconds: number) => void, onPreview?: (small: Blob) => void}} Patience */

/**
 * Fetch an address of this site.
 * @param {string} address
 * @param {RequestInit & Patience} [options]
 * @returns {Promise<Response>} an answer with a good status
 * @throws {RequestError} with the server's own words; an AbortError passes unchanged
 */
export function request(address, { onWait, ...init } = {}) {
  return patiently(() => fetch(address, init), { signal: init.signal ?? undefined, onWait });
}

/**
 * Send until the answer is good; wait and send again while the server is busy.
 * @param {() => Promise<Response>} send
 * @param {Patience} patience
 * @returns {Promise<Response>} as `request`
 */
export async function patiently(send, { signal, onWait }) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await send().catch((error) => {
      if (isAbort(error) || error instanceof RequestError) throw error;
      throw new RequestError("The server does not answer. Is it still running?", 0);
    });
    if (response.ok) return response;
    if (!BUSY.has(response.status) || attempt >= TRIES) throw await problemOf(response);
    const asked_s = Number(response.headers.get("Retry-After")) || attempt;
    const wait_s = Math.min(asked_s, MOST_WAIT_S) + Math.random() * 0.5; // not all pages come back at once
    onWait?.(wait_s);
    await pause(wait_s * 1000, signal);
  }
}

/**
 * Send a form as `fetch` would, with XMLHttpRequest: fetch cannot tell how much has been sent.
 * @param {string} address
 * @param {FormData} form
 * @param {{signal: AbortSignal, onShare: (share: number) => void, onSent: () => void}} options
 * @returns {Promise<Response>}
 */
export function postForm(address, form, { signal, onShare, onSent }) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const exchange = new XMLHttpRequest();
    exchange.open("POST", address);
    exchange.responseType = "blob";
    exchange.setRequestHeader("Accept", "image/png, application/problem+json;q=0.5");
    exchange.upload.onprogress = ({ loaded, total }) => {
      if (loaded < total) onShare(loaded / total);
    };
    exchange.upload.onload = onSent;
    exchange.onload = () => {
      const headers = { "Retry-After": exchange.getResponseHeader("Retry-After") ?? "" };
      resolve(new Response(exchange.response, { status: exchange.status, headers }));
    };
    exchange.onerror = () => reject(
      new RequestError("The server did not answer. The line may have broken, or the file is larger than it accepts.", 0));
    exchange.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => exchange.abort());
    exchange.send(form);
  });
}

/** @param {Response} response */
async function problemOf(response) {
  const problem = await response.json().catch(() => ({})); // no JSON comes from a proxy in between
  const words = {
    413: problem.detail || "The file is larger than the server accepts.",
    503: "The server has a lot to draw just now. Try again in a moment.",
  }[response.status] || problem.detail || problem.title || `The server answered with status ${response.status}.`;
  return new RequestError(words, response.status);
}
