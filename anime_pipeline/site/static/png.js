// @ts-check
/** Pictures as PNG files (ISO/IEC 15948): exact, also where they are transparent, with what they say of themselves. */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const COLOUR_TYPES = /** @type {Record<number, number>} */ ({ 1: 0, 3: 2, 4: 6 });
const UP = 2; // each row as the difference from the one above: good for drawings, and cheap
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xEDB88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/**
 * Write a picture.
 * @param {{width: number, height: number, channels: number, data: Uint8Array|Uint8ClampedArray}} picture
 * @param {Record<string, string>} [texts] entries, Latin-1
 * @returns {Promise<Blob>}
 */
export async function writePng({ width, height, channels, data }, texts = {}) {
  const stride = width * channels;
  const rows = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y += 1) {
    const [to, from] = [y * (stride + 1), y * stride];
    rows[to] = y ? UP : 0;
    for (let x = 0; x < stride; x += 1) rows[to + 1 + x] = data[from + x] - (y ? data[from + x - stride] : 0);
  }
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint8(8, 8);
  head.setUint8(9, COLOUR_TYPES[channels]);
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const said = Object.entries(texts).map(([name, text]) => chunk("tEXt", latin(`${name}\0${text}`)));
  return new Blob([
    Uint8Array.from(SIGNATURE), chunk("IHDR", new Uint8Array(head.buffer)), ...said,
    chunk("IDAT", new Uint8Array(await new Response(packed).arrayBuffer())), chunk("IEND", new Uint8Array(0)),
  ], { type: "image/png" });
}

/** @param {string} text */
function latin(text) {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** @param {string} kind @param {Uint8Array} content */
function chunk(kind, content) {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(latin(kind), 4);
  bytes.set(content, 8);
  let check = 0xFFFFFFFF;
  for (let at = 4; at < content.length + 8; at += 1) check = TABLE[(check ^ bytes[at]) & 255] ^ (check >>> 8);
  view.setUint32(content.length + 8, ~check >>> 0);
  return bytes;
}
