// @ts-check
/** Favourites and recent faces, kept by the browser; without storage, for as long as the page is open. */

import { keyOf, readFace, writeFace } from "./face.js";

/** @typedef {import("./face.js").Face} Face */

const LIMITS = { "ap.favourites": 500, "ap.history": 100 };
/** @type {Map<string, string[]>} what is kept where the browser keeps nothing */
const memory = new Map();
let keeps = true;

/** A list of faces under one name, newest first; each face once, whatever the weights. */
class FaceList {
  /** @param {keyof typeof LIMITS} name */
  constructor(name) {
    this.name = name;
  }

  /** @returns {Face[]} */
  all() {
    return read(this.name).map(readFace);
  }

  /** @param {Face} face */
  has(face) {
    const key = keyOf(face);
    return this.all().some((other) => keyOf(other) === key);
  }

  /** Put faces in front. @param {...Face} faces */
  add(...faces) {
    /** @type {Map<string, Face>} */
    const unique = new Map();
    for (const face of [...faces, ...this.all()]) {
      if (!unique.has(keyOf(face))) unique.set(keyOf(face), face);
    }
    this.replace([...unique.values()]);
  }

  /** @param {Face} face */
  remove(face) {
    const key = keyOf(face);
    this.replace(this.all().filter((other) => keyOf(other) !== key));
  }

  /** Add or remove. @param {Face} face @returns {boolean} whether it is kept now */
  toggle(face) {
    const kept = this.has(face);
    if (kept) this.remove(face);
    else this.add(face);
    return !kept;
  }

  /** @param {Face[]} faces */
  replace(faces) {
    write(this.name, faces.slice(0, LIMITS[this.name]).map((face) => writeFace(face)));
  }

  /** Call back when another page may have changed the list. @param {() => void} act */
  onChange(act) {
    addEventListener("pageshow", (event) => {
      if (event.persisted) act(); // back again, as the page was left
    });
    addEventListener("storage", (event) => {
      if (event.key === this.name || event.key === null) act();
    });
  }
}

export const favourites = new FaceList("ap.favourites");
export const recent = new FaceList("ap.history");

/** @returns {boolean} whether what is kept now will be there tomorrow */
export function storageWorks() {
  try {
    localStorage.setItem("ap.test", "1");
    localStorage.removeItem("ap.test");
    return keeps;
  } catch (error) {
    console.debug("The browser keeps nothing:", error);
    return false;
  }
}

/** @param {string} name @returns {string[]} */
function read(name) {
  if (memory.has(name)) return memory.get(name) ?? [];
  try {
    const values = JSON.parse(localStorage.getItem(name) ?? "[]");
    return Array.isArray(values) ? values.filter((value) => typeof value === "string") : [];
  } catch (error) {
    console.debug(`The list ${name} cannot be read:`, error);
    return [];
  }
}

/** @param {string} name @param {string[]} queries */
function write(name, queries) {
  try {
    localStorage.setItem(name, JSON.stringify(queries));
    memory.delete(name);
  } catch (error) {
    // Full, or switched off: the page goes on with what it remembers itself.
    console.debug(`The list ${name} cannot be kept:`, error);
    keeps = false;
    memory.set(name, queries);
  }
}
