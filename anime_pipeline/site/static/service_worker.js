// @ts-check
/**
 * Keeps a site for use without a network, and lets its pages use threads: SITE, written before this,
 * says which files belong together. Large files are put into FILES by the page that loads them, so
 * that they are fetched once.
 */

/** @type {{version: string, files: string[], large: string[]}} */
const { version, files, large } = SITE;
const FILES = "anime-pipeline-files"; // named after their content
const PAGES = `anime-pipeline-pages ${registration.scope} `;
const ANY = { ignoreVary: true }; // some hosts tell requests apart that are alike
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(activate()));
addEventListener("fetch", (event) => {
  const { request } = event;
  const ours = request.url.startsWith(registration.scope) && request.method === "GET";
  if (ours && !request.headers.has("range")) event.respondWith(answer(request));
});

async function install() {
  const cache = await caches.open(PAGES + version);
  // What a browser kept by itself may be of an older version, but not what bears a hash.
  await cache.addAll(files.map((file) =>
    new Request(file, { cache: file.startsWith("static/") ? "default" : "no-cache" })));
  await skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PAGES) && name !== PAGES + version) await caches.delete(name);
  }
  const cache = await caches.open(FILES);
  const current = new Set(large.map((file) => new URL(file, registration.scope).href));
  for (const { url } of await cache.keys()) {
    if (url.startsWith(registration.scope) && !current.has(url)) await cache.delete(url);
  }
  await clients.claim();
}

/** @param {Request} request */
async function answer(request) {
  const address = fileOf(request);
  const [pages, kept] = await Promise.all([caches.open(PAGES + version), caches.open(FILES)]);
  const found = (await pages.match(address, ANY)) ?? (await kept.match(address, ANY)) ?? (await fetch(request));
  // All else as it is: then a browser finds what it has compiled of a program the last time.
  const needsHeaders = request.mode === "navigate" || address.endsWith(".js");
  if (!needsHeaders || found.type === "opaqueredirect" || found.status === 0) return found;
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const { status, statusText } = found;
  return new Response([204, 304].includes(status) ? null : found.body, { status, statusText, headers });
}

/** The file that an address means: pages have queries, and hosts let them go without their ending. @param {Request} request */
function fileOf(request) {
  const { origin, pathname } = new URL(request.url);
  if (request.mode !== "navigate") return origin + pathname;
  const name = pathname.slice(new URL(registration.scope).pathname.length) || "index.html";
  return new URL(files.includes(`${name}.html`) ? `${name}.html` : name, registration.scope).href;
}
