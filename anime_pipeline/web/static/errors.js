// @ts-check
/** What can go wrong between a page and what draws for it, in words; waiting that can be called off. */

/** A request that failed, with words for people in `message`. */
export class RequestError extends Error {
  /** @param {string} message @param {number} status 0 when no answer came */
  constructor(message, status) {
    super(message);
    this.name = "RequestError";
    this.status = status;
  }

  /** Whether the same may work another time. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** Say whether an error is only a request that the page itself called off. @param {unknown} error */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Words for people about any error. @param {unknown} error @returns {string} */
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
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(resolve, time_ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}
