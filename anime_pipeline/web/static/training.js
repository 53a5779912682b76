// @ts-check
/** The list of training runs: it refreshes itself while one trains. */

import { keepFresh } from "./live.js";

keepFresh();
