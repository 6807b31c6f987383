// Waits for what becomes of a payment: told by the live updates, else asked for. Only what the API says of it is shown.
"use strict";

(() => {
  const ASK_MS = [1_000, 1_000, 2_000, 3_000, 5_000, 8_000, 10_000, 15_000]; // then the last one again
  const PATIENT_AFTER_MS = 30_000;
  const GIVE_UP_AFTER_MS = 30 * 60_000;
  const ASK_LIMIT_MS = 10_000;
  const STATES = { completed: "paid", failed: "failed", canceled: "failed", expired: "failed" };

  const card = document.getElementById("outcome");
  const { payment } = card.dataset;
  const began = Date.now();
  let times = 0;
  let timer = 0;
  let isAsking = false;
  let isNews = false;

  const show = (state) => {
    const template = document.querySelector(`template[data-state="${state}"]`);
    if (card.dataset.state === state) return;
    card.dataset.state = state;
    card.className = `card outcome ${state === "patient" ? "waiting" : state}`;
    card.querySelector("h1").textContent = template.dataset.title;
    document.title = document.title.replace(/^[^·]*/, `${template.dataset.title} `);
    const words = document.getElementById("told");
    const isHere = words.contains(document.activeElement);
    words.replaceChildren(template.content.cloneNode(true));
    if (isHere) words.querySelector("a").focus();
  };

  const told = (status) => {
    if (status === "pending") return false;
    if (STATES[status]) show(STATES[status]);
    else location.reload(); // the server has the words for what is rarer
    return true;
  };

  const ask = async () => {
    clearTimeout(timer);
    if (isAsking) {
      isNews = true;
      return;
    }
    isAsking = true;
    isNews = false;
    try {
      const answer = await fetch(`/api/v1/payments/${encodeURIComponent(payment)}`, {
        headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(ASK_LIMIT_MS),
      });
      if (answer.status === 401 || answer.status === 404) {
        location.reload(); // logged out: the server leads to the login, and back
        return;
      }
      if (answer.ok && told((await answer.json()).status)) return stop();
    } catch {
      // Away for now; asked again below.
    } finally {
      isAsking = false;
    }
    later();
  };

  const later = () => {
    const waited = Date.now() - began;
    if (waited > PATIENT_AFTER_MS) show("patient");
    if (waited > GIVE_UP_AFTER_MS) return;
    timer = setTimeout(ask, isNews ? ASK_MS[0] / 4 : ASK_MS[Math.min(times, ASK_MS.length - 1)]);
    times += 1;
  };

  const onPayment = (event) => {
    if (event.detail?.payment_id === payment) news();
  };
  // The provider's word may be ahead of the balance: what is asked for next tells both.
  const news = () => {
    times = 0;
    ask();
  };

  const stop = () => {
    document.removeEventListener("purser:payment", onPayment);
    document.removeEventListener("purser:balance", onBalance);
    document.removeEventListener("visibilitychange", onReturn);
  };
  const onBalance = (event) => {
    if (event.detail?.kind === "deposit") news();
  };
  const onReturn = () => {
    if (!document.hidden) news();
  };

  document.addEventListener("purser:payment", onPayment);
  document.addEventListener("purser:balance", onBalance);
  document.addEventListener("visibilitychange", onReturn);
  ask();
})();
