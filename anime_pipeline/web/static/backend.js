// @ts-check
/**
 * What the pages ask for. On a server its API answers; on a site without one, the networks in the
 * visitor's own browser, by a module that only such a site has and that exports the same functions.
 */

export { RequestError, isAbort, messageOf } from "./errors.js";

/** @typedef {import("./http.js").Patience} Patience */
/** @typedef {import("./api.js").Shown} Shown */
/** @typedef {import("./api.js").Progress} Progress */

/** @type {typeof import("./api.js")} */
const chosen = await import(document.body.dataset.backend === "local" ? "./local.js" : "./api.js");

export const {
  fetchBlend, fetchFace, fetchFilm, fetchPage, fetchPicture, fetchRun, imageUrl, learnServed, upscale,
} = chosen;
