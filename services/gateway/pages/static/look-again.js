// A page about something that is on its way is asked for again: soon, then less and less often.
"use strict";

(() => {
  const SOON_MS = 1_000;
  const LATE_MS = 15_000;
  const KEPT = `looked:${location.pathname}${location.search}`;

  let times = 0;
  try {
    times = Number(sessionStorage.getItem(KEPT)) || 0;
    sessionStorage.setItem(KEPT, String(times + 1));
  } catch {
    times = 4; // nothing may be kept here: neither soon nor late
  }
  setTimeout(() => location.reload(), Math.min(SOON_MS * 1.5 ** times, LATE_MS));
})();
