// @ts-check
/** Both networks at work in a browser: onnxruntime-web on the GPU, on threads, or on one. */

import { conditionOf } from "./condition.js";
import { join, mix, widen } from "./halves.js";
import { latentOf } from "./latent.js";
import { forget, isKept, keepFile, keepScripts, load, unpackedAt } from "./saved.js";

/** @typedef {import("./face.js").Face} Face */
/** @typedef {{width: number, height: number, channels: number, data: Uint8Array}} Picture */

const MOST_UPSCALERS = 3; // mixtures that are kept
const MOST_THREADS = 8; // more are hardly faster at pictures of this size
const ERRORS_ONLY = 3;

/** What a site draws with; everything is loaded once, in the order in which it is needed. */
export class Engine {
  /**
   * @param {URL} root of the site
   * @param {import("./saved.js").OnBytes} onBytes
   */
  constructor(root, onBytes) {
    this.root = root;
    this.onBytes = onBytes;
    /** Calls of the runtime, one at a time: each uses all threads, and on a GPU two would spoil its memory.
     * @type {Promise<unknown>} */
    this.turn = Promise.resolve();
    /** @type {Map<string, Promise<Uint16Array>>} */
    this.arrays = new Map();
    /** @type {Map<string, {session: Promise<any>, ready: boolean}>} by name and shares */
    this.upscalers = new Map();
  }

  /**
   * Load stage one and what it runs on.
   * @param {boolean} answered whether a service worker answers for what is kept
   */
  async start(answered) {
    const response = await fetch(new URL("site.json", this.root));
    if (!response.ok) throw new Error(`site.json: status ${response.status}`);
    this.site = await response.json();
    const { generator } = this.site;
    this.runtime = this.startRuntime(answered);
    const [graph, arrays, table] = await Promise.all([
      this.load(generator.graph), this.half(generator.arrays).then(widen), this.half(generator.table), this.runtime,
    ]);
    this.known = { parts: generator.parts, table: widen(table), rows: generator.rows };
    this.generator = await this.session(graph, arrays);
  }

  /** Bytes that are loaded in all. */
  get total() {
    const { generator, upscaler, runtime } = this.site;
    const networks = [generator.graph, generator.arrays, generator.table, upscaler.graph, ...Object.values(upscaler.arrays)];
    return [...networks, runtime[this.kind ?? "wasm"].program].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** @param {boolean} answered */
  async startRuntime(answered) {
    this.kind = await hasGpu() ? "webgpu" : "wasm";
    const { module, threads, program } = this.site.runtime[this.kind];
    // By its address a browser finds what it has compiled of it the last time.
    const byAddress = answered && await isKept(this.root, program);
    const [ort, content] = await Promise.all([import(new URL(module, this.root).href), byAddress ? null : this.load(program)]);
    if (byAddress) this.onBytes(program.bytes, false);
    ort.env.logLevel = "error";
    Object.assign(ort.env.wasm, {
      numThreads: globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1,
      wasmPaths: { mjs: new URL(threads, this.root).href, ...(byAddress ? { wasm: unpackedAt(this.root, program) } : {}) },
      ...(content ? { wasmBinary: content } : {}),
    });
    // The program starts with the first session: with one of no size, while networks are on their way.
    const smallest = Uint8Array.from(atob(this.site.smallest), (letter) => letter.charCodeAt(0));
    await this.alone(() => ort.InferenceSession.create(smallest, { executionProviders: ["wasm"] })).catch(async (/** @type {unknown} */ error) => {
      await forget(this.root, program); // another visit fetches it anew
      throw error;
    });
    this.ort = ort;
  }

  /** @param {import("./saved.js").Stored} stored */
  load(stored) {
    return load(this.root, stored, this.onBytes);
  }

  /** @param {import("./saved.js").Stored} stored @param {Uint16Array} [base] @returns {Promise<Uint16Array>} */
  async half(stored, base) {
    return join(await this.load(stored), base);
  }

  /** @param {Uint8Array} graph @param {Float32Array} values @returns {Promise<any>} */
  session(graph, values) {
    // One after the other: the runtime finds arrays by their path, which all graphs name alike.
    return this.alone(() => this.ort.InferenceSession.create(graph, {
      executionProviders: this.kind === "webgpu" ? ["webgpu", "wasm"] : ["wasm"],
      externalData: [{ path: this.site.external, data: new Uint8Array(values.buffer) }],
      graphOptimizationLevel: "all",
      enableMemPattern: false, // pictures come in many sizes
      logSeverityLevel: ERRORS_ONLY,
    }));
  }

  /** Arrays of an upscaler. @param {string} name @returns {Promise<Uint16Array>} */
  arraysOf(name) {
    const known = this.arrays.get(name);
    if (known) return known;
    const stored = this.site.upscaler.arrays[name];
    const coming = (async () => this.half(stored, stored.from ? await this.arraysOf(stored.from) : undefined))();
    coming.catch(() => this.arrays.delete(name)); // another time it may come
    this.arrays.set(name, coming);
    return coming;
  }

  /** Have the browser keep what nobody has asked for yet, for use without a network. */
  async keepRest() {
    const { module, threads } = this.site.runtime[this.kind ?? "wasm"];
    await keepScripts([module, threads].map((file) => new URL(file, this.root)));
    for (const [name, stored] of Object.entries(this.site.upscaler.arrays)) {
      if (!this.arrays.has(name)) await keepFile(this.root, stored, this.onBytes);
    }
  }

  /**
   * The upscaler between two, in steps as the server has them.
   * @param {boolean} drawn whether for drawn faces, not for pictures that somebody has
   * @param {number} realism 0 to 1
   * @param {number} [denoise] 0 to 1
   */
  upscaler(drawn, realism, denoise = 0) {
    const { steps, denoise: cleaning, graph, ...pairs } = this.site.upscaler;
    const [first, last] = drawn ? pairs.drawn : pairs.pictures;
    const shares = [[last, roundEven(realism * steps) / steps], [cleaning, roundEven(denoise * steps) / steps]]
      .filter(([name, share]) => name && name !== first && share);
    const key = JSON.stringify([first, ...shares]);
    let found = this.upscalers.get(key);
    if (!found) {
      this.graph ??= this.load(graph);
      const make = async () => {
        const whole = shares.length === 1 && shares[0][1] === 1;
        const names = whole ? [shares[0][0]] : [first, ...shares.map(([name]) => name)];
        const [base, ...others] = await Promise.all(names.map((name) => this.arraysOf(name)));
        const values = mix(base, others.map((array, i) => [array, shares[i][1]]));
        return this.session(await this.graph, values);
      };
      found = { session: make(), ready: false };
      const entry = found;
      found.session.then(() => { entry.ready = true; }, () => this.upscalers.delete(key));
    }
    this.upscalers.delete(key); // and in again, as the latest
    this.upscalers.set(key, found);
    for (const [old, { session }] of [...this.upscalers].slice(0, -MOST_UPSCALERS)) {
      this.upscalers.delete(old);
      session.then((one) => this.alone(() => one.release())).catch(console.debug);
    }
    return found;
  }

  /** Do something while no network runs. @template T @param {() => Promise<T>} act @returns {Promise<T>} */
  alone(act) {
    const mine = this.turn.then(act);
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  /** @param {any} session @param {Record<string, any>} feeds @returns {Promise<Picture[]>} */
  async run(session, feeds) {
    const { image } = await this.alone(() => session.run(feeds));
    const [count, height, width, channels] = image.dims;
    const size = height * width * channels;
    return Array.from({ length: count }, (_, i) =>
      ({ width, height, channels, data: image.data.slice(i * size, (i + 1) * size) }));
  }

  /** The latent and the condition of a face. @param {Face} face */
  seedOf(face) {
    const { latent_dim: dim, distribution } = this.site.generator;
    return {
      latent: latentOf(face, dim, distribution),
      condition: conditionOf(face, /** @type {any} */ (this.known), this.site.colours),
    };
  }

  /** Stage one. @param {{latent: Float32Array, condition: Float32Array}[]} seeds @returns {Promise<Picture[]>} */
  draw(seeds) {
    const { Tensor } = this.ort;
    const tensor = (/** @type {Float32Array[]} */ rows) => {
      const width = rows[0].length;
      const data = new Float32Array(rows.length * width);
      rows.forEach((row, i) => data.set(row, i * width));
      return new Tensor("float32", data, [rows.length, width]);
    };
    /** @type {Record<string, any>} */
    const feeds = { latent: tensor(seeds.map(({ latent }) => latent)) };
    if (this.site.generator.parts.length) feeds.condition = tensor(seeds.map(({ condition }) => condition));
    return this.run(this.generator, feeds);
  }

  /** Stage two: pictures of one size, RGB, to four times that. @param {any} session @param {Picture[]} pictures */
  enlarge(session, pictures) {
    const [{ width, height }] = pictures;
    const data = new Uint8Array(pictures.length * width * height * 3);
    pictures.forEach((one, i) => data.set(one.data, i * width * height * 3));
    return this.run(session, { lr_image: new this.ort.Tensor("uint8", data, [pictures.length, height, width, 3]) });
  }
}

/** Round as Python does. @param {number} value */
function roundEven(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}

async function hasGpu() {
  try {
    return Boolean(await /** @type {any} */ (navigator).gpu?.requestAdapter());
  } catch (error) {
    console.debug("No GPU:", error);
    return false;
  }
}
