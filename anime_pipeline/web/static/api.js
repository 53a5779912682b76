// @ts-check
/** Talking to the server: cancelling, waiting when it is busy, messages for people. */

const TRIES = 4;
const BUSY = new Set([429, 503]);

/** A request that failed, with words for people in `message`. */
export class RequestError extends Error {
  /**
   * @param {string} message
   * @param {number} status 0 when no answer came
   * @param {{parameter: string, detail: string}[]} [errors]
   */
  constructor(message, status, errors = []) {
    super(message);
    this.name = "RequestError";
    this.status = status;
    this.errors = errors;
  }
}

/**
 * Fetch an address of this site; wait and try again while the server is busy.
 * @param {string} address
 * @param {RequestInit & {onWait?: (seconds: number) => void}} [options]
 * @returns {Promise<Response>} an answer with a good status
 * @throws {RequestError} with the server's own words; an AbortError passes unchanged
 */
export async function request(address, options = {}) {
  const { onWait, ...init } = options;
  for (let attempt = 1; ; attempt += 1) {
    const response = await send(address, init);
    if (response.ok) return response;
    if (!BUSY.has(response.status) || attempt >= TRIES) throw await problemOf(response);
    const seconds = secondsToWait(response, attempt);
    onWait?.(seconds);
    await pause(seconds * 1000, init.signal ?? undefined);
  }
}

/**
 * Ask for JSON, with GET or, where there is a body, POST.
 * @param {string} address
 * @param {{body?: unknown, signal?: AbortSignal, onWait?: (seconds: number) => void}} [options]
 * @returns {Promise<any>}
 */
export async function requestJson(address, { body, signal, onWait } = {}) {
  const headers = { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  const method = body === undefined ? "GET" : "POST";
  const response = await request(address, {
    method, headers, signal, onWait, body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.json();
}

/**
 * Keep at most one task running: while it runs, only the newest of the later inputs is kept.
 * @template Input
 * @param {(input: Input) => Promise<void>} task handles its own errors
 * @returns {(input: Input) => void}
 */
export function newestOnly(task) {
  let running = false;
  /** @type {{input: Input}|null} */
  let next = null;
  return async (input) => {
    next = { input };
    if (running) return;
    running = true;
    try {
      while (next) {
        const { input: current } = next;
        next = null;
        await task(current);
      }
    } finally {
      running = false;
    }
  };
}

/**
 * Say whether an error is only a request that the page itself called off.
 * @param {unknown} error
 */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Words for people about any error.
 * @param {unknown} error
 * @returns {string}
 */
export function messageOf(error) {
  if (error instanceof RequestError) return error.message;
  console.error(error);
  return "Something in this page went wrong. Reload it and try again.";
}

/**
 * Wait; an abort ends the waiting with an AbortError.
 * @param {number} time_ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(time_ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("Called off.", "AbortError"));
    };
    if (signal?.aborted) return reject(new DOMException("Called off.", "AbortError"));
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, time_ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** @param {string} address @param {RequestInit} init */
async function send(address, init) {
  try {
    return await fetch(address, init);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new RequestError("The server does not answer. Is it still running?", 0);
  }
}

/** @param {Response} response @param {number} attempt */
function secondsToWait(response, attempt) {
  const asked = Number(response.headers.get("Retry-After"));
  const seconds = Number.isFinite(asked) && asked > 0 ? asked : attempt;
  return Math.min(seconds, 30) + Math.random() * 0.5; // jitter: not all pages come back at once
}

/** @param {Response} response */
async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  const busy = BUSY.has(response.status) ? "The server has a lot to draw just now. Try again in a moment." : "";
  const words = busy || problem.detail || problem.title || `The server answered with status ${response.status}.`;
  return new RequestError(words, response.status, problem.errors ?? []);
}
