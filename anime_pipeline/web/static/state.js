// @ts-check
/** What the studio asks for: one face, its address, and the way back to earlier ones. */

import { ATTRIBUTES, asServed, keyOf, readFace, studioUrl } from "./face.js";
import { keep, kept, recent } from "./store.js";

/** @typedef {import("./face.js").Face} Face */

const SETTLE_MS = 500; // a change that lasts this long is worth a step of the way back
const MOST_STEPS = 200;
const TRAIL = "ap.trail"; // the steps, for the next page of this tab

/** The face that is asked for, and the steps before and after it. */
export class StudioState {
  /**
   * @param {string} query of the page's address
   * @param {{attributes: string[], onChange: () => void, onSettle: () => void}} options attributes that
   *   the model may be asked for; what to do at each change, and once a change has lasted
   */
  constructor(query, { attributes, onChange, onSettle }) {
    this.onChange = onChange;
    this.onSettle = onSettle;
    /** @type {ReturnType<typeof setTimeout>|undefined} while a change waits to last */
    this.waiting = undefined;
    this.asked = readFace(query);
    const key = keyOf(this.asked);
    const { steps, at } = takeSteps(key) ?? { steps: [key], at: 0 };
    this.steps = steps;
    this.at = at;
    for (const name of ATTRIBUTES) if (!attributes.includes(name)) this.asked[name] = "";
    recent.add(this.face);
  }

  /** The face as it is drawn here, whatever weights its link was made with. @returns {Face} */
  get face() {
    return asServed(this.asked);
  }

  /** Tell whether there is something to undo, or to redo. @param {-1|1} by */
  reaches(by) {
    return this.at + by in this.steps;
  }

  /** @param {Partial<Face>} patch @param {number} [settle_ms] after how long it counts as a step */
  change(patch, settle_ms = SETTLE_MS) {
    this.asked = { ...this.asked, ...patch };
    this.onChange();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.settle(), settle_ms);
  }

  /** Let a change that waits count now: it gets its address, and a step of its own. */
  settle() {
    if (this.waiting === undefined) return;
    clearTimeout(this.waiting);
    this.waiting = undefined;
    history.replaceState(null, "", studioUrl(this.face));
    this.step(this.asked);
    recent.add(this.face);
    this.onSettle();
  }

  /** Undo or redo. @param {-1|1} by */
  travel(by) {
    this.settle(); // or the newest change would be lost, or taken for a step back
    if (!this.reaches(by)) return;
    this.at += by;
    this.go(readFace(this.steps[this.at]));
  }

  /**
   * Ask for another face; one of another model on a page of its own, as the server alone knows which
   * attributes that has. Undo goes on there.
   * @param {Face} face
   */
  go(face) {
    if (face.model === this.asked.model) return this.change(face);
    this.settle();
    this.step(face);
    keep(TRAIL, { steps: this.steps, at: this.at }, () => sessionStorage);
    location.assign(studioUrl({ ...face, weights: "" }));
  }

  /** Ask for the seed of the last step again, as while what is typed is none. */
  revertSeed() {
    const { seed, variation, strength } = readFace(this.steps[this.at]);
    this.asked = { ...this.asked, seed, variation, strength };
  }

  /** Take a step; what had been undone is gone. @param {Face} face */
  step(face) {
    if (keyOf(face) === this.steps[this.at]) return;
    this.steps = [...this.steps.slice(0, this.at + 1), keyOf(face)].slice(-MOST_STEPS);
    this.at = this.steps.length - 1;
  }
}

/**
 * Take over the steps that the page before has left for this face.
 * @param {string} key
 * @returns {{steps: string[], at: number}|null}
 */
function takeSteps(key) {
  const left = kept(TRAIL, () => sessionStorage);
  keep(TRAIL, null, () => sessionStorage);
  return left?.steps?.[left.at] === key ? left : null;
}
