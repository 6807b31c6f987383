// A page that waits for a payment: told by the live updates, else by asking, less and less often. What has become of it, the page itself
// then says: it is loaded again.
"use strict";

(() => {
  const place = document.querySelector("[data-awaited]");
  if (!place) return;
  const { awaited, seen } = place.dataset;
  const paymentId = new URL(awaited, location.href).pathname.split("/").pop();
  const PATIENT_MS = 15_000;
  const FIRST_MS = 400;
  const LONGEST_MS = 8_000;
  const GIVEN_UP_MS = 15 * 60_000;
  const began = performance.now();
  let pause = FIRST_MS;
  let timer = 0;
  let asking = false;
  let isLeaving = false;

  // What somebody is just entering is not taken from them: the page's link leads to the truth as well.
  const anew = () => {
    const isEntered = [...document.querySelectorAll("main input")].some((field) => field.value !== field.defaultValue);
    if (isEntered || isLeaving) return;
    isLeaving = true; // a second start would only delay the first
    location.reload();
  };

  const ask = async () => {
    if (asking || isLeaving) return;
    asking = true;
    clearTimeout(timer);
    try {
      const answer = await fetch(awaited, { headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(10_000) });
      // Logged out meanwhile, or not ours any more: the page itself says what to do.
      if (answer.status === 401 || answer.status === 404) return anew();
      if (answer.ok && (await answer.json()).status !== seen) return anew();
    } catch {
      // No connection: asked again.
    } finally {
      asking = false;
    }
    later();
  };

  const later = () => {
    if (performance.now() - began > GIVEN_UP_MS) return;
    if (!document.hidden) timer = setTimeout(ask, pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 1.6, LONGEST_MS);
  };

  document.addEventListener("purser:payment", (event) => {
    if (event.detail.payment_id !== paymentId) return;
    // Word of it may be ahead of the balance by a moment.
    pause = FIRST_MS;
    ask();
  });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) ask();
  });
  setTimeout(() => {
    for (const patience of place.querySelectorAll("[data-patience]")) patience.hidden = false;
  }, PATIENT_MS);
  later();
})();
