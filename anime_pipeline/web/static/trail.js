// @ts-check
/** The way back: undo and redo over all that was chosen since the page was opened. */

const MOST = 200;
const KEPT = "ap.trail"; // for the next page of this tab

/**
 * Keep a trail of states, or go on with the one that the page before has saved for this state.
 * @param {string} first
 */
export function createTrail(first) {
  let { states, at } = takeSaved(first) ?? { states: [first], at: 0 };
  return {
    /** Where it stands. @returns {string} */
    get now() { return states[at]; },
    /** Leave the trail for the page that shows this state next. */
    save() {
      try {
        sessionStorage.setItem(KEPT, JSON.stringify({ states, at }));
      } catch (error) {
        console.debug("The trail ends with this page:", error);
      }
    },
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

/** @param {string} first @returns {{states: string[], at: number}|null} */
function takeSaved(first) {
  try {
    const saved = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    sessionStorage.removeItem(KEPT);
    return Array.isArray(saved?.states) && saved.states[saved.at] === first ? saved : null;
  } catch (error) {
    console.debug("No trail is kept:", error);
    return null;
  }
}
