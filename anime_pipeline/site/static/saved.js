// @ts-check
/** Files of a site: fetched once, checked, kept by the browser, unpacked. */

const FILES = "anime-pipeline-files"; // as the service worker calls it

/** @typedef {{file: string, bytes: number, sha256?: string}} Stored a file as site.json tells it */

/**
 * Load a file that is named after its content.
 * @param {URL} root of the site
 * @param {Stored} stored
 * @param {(bytes: number, fetched: boolean) => void} onBytes called with what has come since the last
 *   call, and whether from the host
 * @returns {Promise<Uint8Array>}
 * @throws {Error} if it cannot be had, or is another one
 */
export async function load(root, { file, bytes, sha256 }, onBytes) {
  const address = new URL(file, root).href;
  const cache = await globalThis.caches?.open(FILES).catch(() => undefined); // absent without https
  const kept = await cache?.match(address);
  const response = kept ?? await fetch(address);
  if (!response.ok || !response.body) throw new Error(`${file}: status ${response.status}`);
  const content = await collect(response.body, bytes, (count) => onBytes(count, !kept));
  if (sha256 && globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (found !== sha256) {
      await cache?.delete(address);
      throw new Error(`${file}: expected sha256 ${sha256}, received ${found}`);
    }
  }
  if (!kept) {
    // Behind the first face; a full disk is no reason to stop.
    cache?.put(address, new Response(content, { headers: { "Content-Type": "application/octet-stream" } })).catch(console.debug);
  }
  return content;
}

/**
 * Have the browser keep a file for later, without looking into it; where it keeps nothing, do nothing.
 * @param {URL} root of the site
 * @param {Stored} stored
 * @param {(bytes: number, fetched: boolean) => void} onBytes
 */
export async function keepFile(root, stored, onBytes) {
  const cache = await globalThis.caches?.open(FILES).catch(() => undefined);
  if (!cache) return;
  if (await cache.match(new URL(stored.file, root).href)) onBytes(stored.bytes, false);
  else await load(root, stored, onBytes);
}

/** The same for scripts, which are loaded already. @param {URL[]} addresses */
export async function keepScripts(addresses) {
  const cache = await globalThis.caches?.open(FILES).catch(() => undefined);
  for (const { href } of addresses) if (cache && !await cache.match(href)) await cache.add(href);
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
export async function unzip(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
