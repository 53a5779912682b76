// @ts-check
/** Favourites and recent faces, kept by the browser; without storage, for as long as the page is open. */

import { faceQuery, keyOf, readFace } from "./face.js";

/** @typedef {import("./face.js").Face} Face */

/** @type {Map<string, string[]>} what is kept where the browser keeps nothing */
const memory = new Map();

/** A list of faces under one name, newest first; each face once, whatever the weights. */
class FaceList {
  /** @param {string} name @param {number} most that are kept */
  constructor(name, most) {
    this.name = name;
    this.most = most;
  }

  /** @returns {Face[]} */
  all() {
    const queries = memory.get(this.name) ?? kept(this.name);
    return Array.isArray(queries) ? queries.filter((query) => typeof query === "string").map(readFace) : [];
  }

  /** @param {Face} face */
  has(face) {
    const key = keyOf(face);
    return this.all().some((other) => keyOf(other) === key);
  }

  /** Put faces in front. @param {...Face} faces */
  add(...faces) {
    const seen = new Set();
    const isNew = (/** @type {Face} */ face) => seen.size < seen.add(keyOf(face)).size;
    this.replace([...faces, ...this.all()].filter(isNew));
  }

  /** @param {Face} face */
  remove(face) {
    const key = keyOf(face);
    this.replace(this.all().filter((other) => keyOf(other) !== key));
  }

  /** Add or remove. @param {Face} face @returns {boolean} whether it is kept now */
  toggle(face) {
    const wanted = !this.has(face);
    if (wanted) this.add(face);
    else this.remove(face);
    return wanted;
  }

  /** @param {Face[]} faces */
  replace(faces) {
    const queries = faces.slice(0, this.most).map((face) => faceQuery(face));
    if (keep(this.name, queries)) memory.delete(this.name);
    else memory.set(this.name, queries);
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

export const favourites = new FaceList("ap.favourites", 500);
export const recent = new FaceList("ap.history", 100);

/** @returns {boolean} whether what is kept now will be there tomorrow */
export function storageWorks() {
  return keep("ap.test", "") && memory.size === 0;
}

/** Let the browser keep a value. @param {string} name @param {unknown} value @returns {boolean} whether it could */
export function keep(name, value, storage = () => localStorage) {
  try {
    storage().setItem(name, JSON.stringify(value));
    return true;
  } catch (error) {
    console.debug(`${name} cannot be kept:`, error); // full, or switched off
    return false;
  }
}

/** What has been kept under a name; null if there is nothing. @param {string} name @returns {any} */
export function kept(name, storage = () => localStorage) {
  try {
    return JSON.parse(storage().getItem(name) ?? "null");
  } catch (error) {
    console.debug(`${name} cannot be read:`, error);
    return null;
  }
}
