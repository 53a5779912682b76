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
    if (!await step()) stop();
    else if (plays()) plan();
  };
  const show = (/** @type {boolean} */ on) => {
    button.replaceChildren(icon(on ? "pause" : "play"));
    button.setAttribute("aria-pressed", String(on));
    onSwitch?.(on);
  };
  const stop = () => {
    clearTimeout(timer);
    timer = undefined;
    show(false);
  };
  button.addEventListener("click", () => {
    if (plays()) return stop();
    show(true);
    plan();
  });
  return { stop, plays };
}
