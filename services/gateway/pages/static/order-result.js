// An order that is on its way: the page is asked for again, ever more rarely, until it says what has become of the order.
"use strict";

(() => {
  const FIRST_MS = 1000;
  const GROWTH = 1.4;
  const LONGEST_MS = 15_000;
  const TIMES_MAX = 45; // some ten minutes
  const LOST_AFTER = 2;
  const ANSWER_MS = 20_000;

  const told = document.getElementById("told");
  const look = document.getElementById("look");

  const offer = () => {
    for (const button of document.querySelectorAll("[data-copy], [data-print]")) button.hidden = false;
  };

  const copy = async (button) => {
    const link = document.getElementById(button.dataset.copy);
    link.select();
    try {
      await navigator.clipboard.writeText(link.value);
    } catch {
      // Without the right to the clipboard it stays selected, to be copied by hand.
      return;
    }
    document.getElementById("copied").textContent = button.dataset.done;
    const before = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => {
      button.textContent = before;
    }, 2000);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.copy) copy(button);
    else if (button && "print" in button.dataset) window.print();
  });
  offer();

  const outcome = document.getElementById("outcome");
  const isWaiting = () => outcome.dataset.waiting === "yes";
  if (!told || !isWaiting()) return;

  const say = (text) => {
    if (told.textContent !== text) told.textContent = text;
  };

  /** Shows what the page says now; what is read out stays the same element, or nobody would read it out. */
  const show = (page) => {
    const now = page.getElementById("outcome");
    say(page.getElementById("told").textContent);
    if (outcome.dataset.state === now.dataset.state) return;
    outcome.className = now.className;
    outcome.dataset.state = now.dataset.state;
    outcome.dataset.waiting = now.dataset.waiting ?? "";
    document.title = page.title;
    const place = document.activeElement;
    for (const id of ["next", "order"]) {
      const fresh = document.adoptNode(page.getElementById(id));
      document.getElementById(id).replaceWith(fresh);
      fresh.dispatchEvent(new CustomEvent("purser:content", { bubbles: true }));
    }
    offer();
    // Whoever had come to a link that is gone goes on from here.
    if (!place.isConnected) {
      outcome.tabIndex = -1;
      outcome.focus();
    }
  };

  /** true when there is nothing more to ask. */
  const ask = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.status >= 500 || answer.status === 429) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok || answer.redirected || !page.getElementById("told")) {
      location.replace(answer.redirected ? answer.url : location.href);
      return true;
    }
    show(page);
    return !isWaiting();
  };

  const visible = () =>
    new Promise((resolve) => {
      if (!document.hidden) resolve();
      else document.addEventListener("visibilitychange", () => resolve(), { once: true });
    });
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  const wait = async () => {
    look.hidden = true;
    let failures = 0;
    for (let times = 0; times < TIMES_MAX; times += 1) {
      // Many pages that lost the same server do not come back at the same moment.
      await pause(Math.min(FIRST_MS * GROWTH ** times, LONGEST_MS) * (0.8 + 0.4 * Math.random()));
      await visible();
      try {
        if (await ask()) return;
        failures = 0;
      } catch {
        failures += 1;
        if (failures >= LOST_AFTER) say(told.dataset.lost);
      }
    }
    say(told.dataset.late);
    look.hidden = false;
  };

  look.querySelector("button").addEventListener("click", wait);
  wait();
})();
