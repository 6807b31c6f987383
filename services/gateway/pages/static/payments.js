// The list of payments and the page of one: what changes is shown by itself, and money is sent back only after a second look.
"use strict";

(() => {
  const SOON_MILLISECONDS = 250;
  const FIRST_MILLISECONDS = 2_000;
  const LONGEST_MILLISECONDS = 30_000;
  const PATIENCE_MILLISECONDS = 15 * 60_000;

  for (const zone of document.querySelectorAll("[data-zone]")) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone;

  // ---- what changes by itself: the page is asked for again, and its pieces take the places of the old ones

  const facts = document.querySelector("[data-payment]");
  const began = Date.now();
  let pause = FIRST_MILLISECONDS;
  let due;
  let looking = false;
  let again = false;
  let live = false;

  // What somebody is writing into, or deciding about, stays as it is.
  const isBusy = (piece) => piece.dataset.touched || piece.querySelector("dialog[open]") || (piece.contains(document.activeElement) && document.activeElement.matches("input, pre"));

  // As the server wrote it: without what scripts and visitors have made of it here, and without what is new each time.
  const served = (piece) => {
    const copy = piece.cloneNode(true);
    for (const time of copy.querySelectorAll("time")) {
      time.textContent = time.dateTime;
      time.removeAttribute("title");
    }
    for (const one of copy.querySelectorAll("details")) one.removeAttribute("open");
    for (const input of copy.querySelectorAll("[name=idempotency_key], [data-zone]")) input.removeAttribute("value");
    return copy.innerHTML;
  };

  const brought = (fresh) => {
    document.title = fresh.title;
    for (const piece of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(piece.id);
      if (!other || isBusy(piece)) continue;
      piece.toggleAttribute("data-waiting", other.hasAttribute("data-waiting"));
      if (served(piece) === served(other)) continue;
      const focusable = "a, button, summary";
      const focused = [...piece.querySelectorAll(focusable)].indexOf(document.activeElement);
      const place = focused >= 0 && document.activeElement.getAttribute("href");
      const open = [...piece.querySelectorAll("details")].map((one) => one.open);
      piece.replaceChildren(...document.importNode(other, true).childNodes);
      piece.querySelectorAll("details").forEach((one, at) => { one.open = open[at] ?? one.open; });
      // Where there is another row now, a link is found by where it leads: what is pressed next must be what was chosen.
      if (place) piece.querySelector(`a[href="${CSS.escape(place)}"]`)?.focus();
      else if (focused >= 0) piece.querySelectorAll(focusable)[focused]?.focus();
      piece.dispatchEvent(new CustomEvent("purser:content", { bubbles: true }));
    }
  };

  const look = async () => {
    clearTimeout(due);
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    again = false;
    try {
      const answer = await fetch(location.href.split("#")[0], { headers: { Accept: "text/html" }, cache: "no-store", redirect: "error" });
      if (answer.ok) brought(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // Nobody answers: the next look may find somebody.
    }
    looking = false;
    later(again ? SOON_MILLISECONDS : undefined);
  };

  const later = (milliseconds) => {
    clearTimeout(due);
    if (milliseconds !== undefined) {
      due = setTimeout(look, milliseconds);
    } else if (document.querySelector("[data-waiting]") && Date.now() - began < PATIENCE_MILLISECONDS) {
      due = setTimeout(look, live ? LONGEST_MILLISECONDS : pause);
      pause = Math.min(pause * 1.5, LONGEST_MILLISECONDS);
    }
  };

  document.addEventListener("purser:payment", (event) => {
    if (!facts || event.detail.payment_id === facts.dataset.payment) later(SOON_MILLISECONDS);
  });
  document.addEventListener("purser:connection", (event) => { live = event.detail.state === "live"; });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && document.querySelector("[data-waiting]")) look();
  });
  later();

  // ---- forms that ask once more

  const language = document.documentElement.lang;

  const digitsOf = (amount) => Number(amount.dataset.digits);

  const minorOf = (amount) => window.purserAmounts.parse(amount.value, digitsOf(amount));

  const inMoney = (amount) => {
    const places = digitsOf(amount);
    const text = String(minorOf(amount)).padStart(places + 1, "0");
    const major = places ? `${text.slice(0, -places)}.${text.slice(-places)}` : text;
    const currency = amount.dataset.currency.toUpperCase();
    return new Intl.NumberFormat(language, { style: "currency", currency, minimumFractionDigits: places, maximumFractionDigits: places }).format(major);
  };

  /** Says beside the field what the server would say; is there nothing to say? */
  const isRight = (amount) => {
    const { most, tooMuch } = amount.dataset;
    const wrong = window.purserAmounts.wrong(amount, digitsOf(amount)) || (minorOf(amount) > Number(most) ? tooMuch : "");
    window.purserAmounts.tell(amount, wrong);
    return !wrong;
  };

  document.addEventListener("input", (event) => {
    const piece = event.target.closest("[data-live]");
    if (piece) piece.dataset.touched = "yes";
    // Not when the field is left: a message that comes or goes then moves the button away from under the click.
    if (event.target.matches("[data-most][aria-invalid]")) isRight(event.target);
  });

  // Sent again by the dialog, the form goes on its way; pages.js sees to it that it goes once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const dialog = form.dataset.confirm && document.getElementById(form.dataset.confirm);
    if (!dialog || form.elements.confirmed.value) return;
    event.preventDefault();
    const amount = form.querySelector("[data-most]");
    if (amount && !isRight(amount)) {
      amount.focus();
      return;
    }
    const isGiven = (name) => {
      const field = form.elements[name];
      return field?.type === "checkbox" ? field.checked : Boolean(field?.value.trim());
    };
    for (const place of dialog.querySelectorAll("[data-shows]")) place.textContent = inMoney(amount);
    for (const line of dialog.querySelectorAll("[data-when]")) line.hidden = !isGiven(line.dataset.when);
    for (const line of dialog.querySelectorAll("[data-unless]")) line.hidden = isGiven(line.dataset.unless);
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "yes") return;
      form.elements.confirmed.value = "yes";
      form.requestSubmit();
    }, { once: true });
    dialog.showModal();
  }, true);

  // Back out of the browser's memory, it asks again.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-confirm]")) form.elements.confirmed.value = "";
    if (facts) look();
  });
})();
