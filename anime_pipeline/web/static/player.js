// @ts-check
/** A button that plays a row of pictures, and pauses. */

import { icon } from "./common.js";

/**
 * Bring the button to life.
 * @param {Element} button
 * @param {() => Promise<boolean>|boolean} step shows the next picture; false at the end
 * @param {() => number} pace_ms for how long each is shown
 * @param {(plays: boolean) => void} [onSwitch] called before it begins, and when it ends
 * @returns {{stop: () => void, plays: () => boolean}}
 */
export function createPlayer(button, step, pace_ms, onSwitch) {
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const plays = () => timer !== undefined;
  const plan = () => { clearTimeout(timer); timer = setTimeout(tick, pace_ms()); };
  const tick = async () => {
    if (!await step()) play(false);
    else if (plays()) plan();
  };
  const play = (/** @type {boolean} */ on) => {
    clearTimeout(timer);
    timer = undefined;
    button.replaceChildren(icon(on ? "pause" : "play"));
    button.setAttribute("aria-pressed", String(on));
    onSwitch?.(on);
    if (on) plan();
  };
  button.addEventListener("click", () => play(!plays()));
  return { stop: () => play(false), plays };
}
