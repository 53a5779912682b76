// @ts-check
// Runs before the first paint, so that a chosen theme does not flash in the other one.
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("script");
  try {
    const theme = localStorage.getItem("ap.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch (error) {
    // Storage can be switched off in a browser: the page then follows the system.
    console.debug("The theme is not remembered:", error);
  }
})();
