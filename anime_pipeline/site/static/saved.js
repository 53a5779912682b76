// @ts-check
/** Files of a site: fetched once, checked, unpacked, and kept by the browser as they are needed. */

const FILES = "anime-pipeline-files"; // as the service worker calls it
const TYPES = /** @type {Record<string, string>} */ ({ wasm: "application/wasm" });

/** @typedef {{file: string, bytes: number, sha256?: string, unpacked?: number}} Stored a file as site.json tells it; bytes once unpacked, if it is gzip */
/** @typedef {(bytes: number, fetched: boolean) => void} OnBytes called with what has come since the last call, and whether from the host */

/**
 * Load a file that is named after its content.
 * @param {URL} root of the site
 * @param {Stored} stored
 * @param {OnBytes} onBytes
 * @returns {Promise<Uint8Array>} unpacked
 * @throws {Error} if it cannot be had, or is another one
 */
export async function load(root, stored, onBytes) {
  const { file, bytes, sha256, unpacked } = stored;
  const cache = await opened();
  const address = unpackedAt(root, stored);
  const kept = await cache?.match(address);
  if (kept) {
    const content = new Uint8Array(await kept.arrayBuffer());
    if (content.length === (unpacked ?? bytes)) {
      onBytes(bytes, false);
      return content;
    }
    await cache?.delete(address);
  }
  const response = await fetch(new URL(file, root));
  if (!response.ok || !response.body) throw new Error(`${file}: status ${response.status}`);
  const packed = await collect(response.body, bytes, (count) => onBytes(count, true));
  if (sha256 && globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", packed));
    const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (found !== sha256) throw new Error(`${file}: expected sha256 ${sha256}, received ${found}`);
  }
  const content = unpacked ? await unzip(packed) : packed;
  const type = TYPES[address.split(".").pop() ?? ""] ?? "application/octet-stream";
  // Behind the first face; a full disk is no reason to stop.
  cache?.put(address, new Response(content, { headers: { "Content-Type": type } })).catch(console.debug);
  return content;
}

/** Where a file is found once it is unpacked: only in what the browser keeps. @param {URL} root @param {Stored} stored */
export function unpackedAt(root, { file, unpacked }) {
  return new URL(unpacked ? file.replace(/\.bin$/, "") : file, root).href;
}

/** Whether the browser keeps a file. @param {URL} root @param {Stored} stored */
export async function isKept(root, stored) {
  return Boolean(await (await opened())?.match(unpackedAt(root, stored)));
}

/** Keep a file no longer. @param {URL} root @param {Stored} stored */
export async function forget(root, stored) {
  await (await opened())?.delete(unpackedAt(root, stored));
}

/** Have the browser keep a file for later; where it keeps nothing, do nothing. @param {URL} root @param {Stored} stored @param {OnBytes} onBytes */
export async function keepFile(root, stored, onBytes) {
  if (!await opened()) return;
  if (await isKept(root, stored)) onBytes(stored.bytes, false);
  else await load(root, stored, onBytes);
}

/** The same for scripts, which are loaded already. @param {URL[]} addresses */
export async function keepScripts(addresses) {
  const cache = await opened();
  for (const { href } of addresses) if (cache && !await cache.match(href)) await cache.add(href);
}

/** What the browser keeps; absent without https. @returns {Promise<Cache|undefined>} */
async function opened() {
  return globalThis.caches?.open(FILES).catch(() => undefined);
}

/** @param {ReadableStream<Uint8Array>} stream @param {number} bytes expected @param {(bytes: number) => void} onBytes */
async function collect(stream, bytes, onBytes) {
  const content = new Uint8Array(bytes);
  const reader = stream.getReader();
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (at + value.length > bytes) throw new Error(`more than ${bytes} bytes`);
    content.set(value, at);
    at += value.length;
    onBytes(value.length);
  }
  if (at < bytes) throw new Error(`only ${at} of ${bytes} bytes`);
  return content;
}

/** Unpack gzip. @param {Uint8Array} packed @returns {Promise<Uint8Array>} */
async function unzip(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
