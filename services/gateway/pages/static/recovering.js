// A page that could not be had is asked for again, quietly and ever more rarely, and loaded as soon as somebody answers.
"use strict";

(() => {
  const FIRST_MS = 4_000;
  const GROWTH = 1.4;
  const LONGEST_MS = 60_000;
  const ANSWER_MS = 20_000;
  const TIMES_MAX = 60; // some fifty minutes

  let times = 0;

  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
      if (answer.status < 500 && answer.status !== 429) {
        location.reload();
        return;
      }
    } catch {
      // Nobody there: asked again.
    }
    later();
  };

  // Many pages that lost the same server do not come back at the same moment.
  const later = () => {
    if (times >= TIMES_MAX) return;
    setTimeout(look, Math.min(FIRST_MS * GROWTH ** times, LONGEST_MS) * (0.75 + Math.random() / 2));
    times += 1;
  };

  later();
})();
