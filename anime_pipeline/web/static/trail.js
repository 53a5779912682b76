// @ts-check
/** The way back: undo and redo over all that was chosen since the page was opened. */

const MOST = 200;

/**
 * Keep a trail of states.
 * @param {string} first
 */
export function createTrail(first) {
  let states = [first];
  let at = 0;
  return {
    /** Take a step; what had been undone is gone. @param {string} state */
    push(state) {
      if (state === states[at]) return;
      states = [...states.slice(Math.max(0, at + 2 - MOST), at + 1), state];
      at = states.length - 1;
    },
    /** @param {-1|1} by @returns {string|null} the state to go to */
    move(by) {
      if (at + by < 0 || at + by >= states.length) return null;
      at += by;
      return states[at];
    },
    get canUndo() { return at > 0; },
    get canRedo() { return at < states.length - 1; },
  };
}
