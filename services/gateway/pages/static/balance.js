// The balance page keeps itself up to date, says what is wrong with a withdrawal before it is sent, and asks before one is called off.
// What changes is taken from the page itself, asked for anew: there is one place that knows how it looks.
"use strict";

(() => {
  const SOON_MS = 250; // several changes at once are one look
  const APART_MS = 1_000;
  const WAITING_MS = 2_000;
  const ASKING_MS = 30_000;
  const ANSWER_MS = 12_000;
  const LOOKS_MAX = 30; // for one withdrawal that is on its way

  const page = document.getElementById("balance");
  const news = document.getElementById("news");
  const dialog = document.getElementById("cancel");
  const isFirst = page.dataset.page === "first";

  // ---- what changes by itself

  const shown = new Map(); // what each region was last told to be: what stands there has its times in the visitor's own zone
  const touched = new WeakSet();
  const regions = (root) => new Map([...root.querySelectorAll("[data-live]")].map((one) => [one.dataset.live, one]));
  const statuses = () => new Map([...page.querySelectorAll("[data-withdrawal]")].map((one) => [one.dataset.withdrawal, one.dataset.status]));

  const isKept = (name, region, fresh) => {
    if (!region.isConnected || shown.get(name) === fresh.innerHTML) return true;
    // New widgets only where there is a new currency: the others show what is new by themselves.
    if (name === "purses") return region.dataset.currencies === fresh.dataset.currencies;
    return name === "withdraw" && ("keep" in region.dataset || touched.has(region) || region.contains(document.activeElement));
  };

  const bring = (fresh) => {
    const before = statuses();
    const others = regions(fresh);
    for (const [name, region] of regions(page)) {
      const other = others.get(name);
      if (!other || isKept(name, region, other)) continue;
      shown.set(name, other.innerHTML);
      const place = region.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      Object.assign(region.dataset, other.dataset);
      region.replaceChildren(...document.importNode(other, true).childNodes);
      if (place) region.querySelector(`[href="${CSS.escape(place)}"]`)?.focus();
      region.dispatchEvent(new CustomEvent("purser:content", { bubbles: true }));
    }
    const changed = [...page.querySelectorAll("[data-withdrawal]")].filter((one) => before.has(one.dataset.withdrawal) && before.get(one.dataset.withdrawal) !== one.dataset.status);
    if (changed.length) news.textContent = changed.map((one) => one.querySelector(".row").textContent.trim().replace(/\s+/g, " ")).join(", ");
  };

  let timer = 0;
  let isLooking = false;
  let isWanted = false;
  let looksLeft = LOOKS_MAX;

  const soon = (milliseconds = SOON_MS) => {
    timer ||= setTimeout(look, milliseconds);
  };

  const look = async () => {
    timer = 0;
    isWanted = isLooking || dialog.open;
    if (isWanted) return;
    isLooking = true;
    try {
      const headers = { Accept: "text/html" };
      const signal = AbortSignal.timeout(ANSWER_MS);
      const answer = await fetch(location.pathname + location.search, { headers, signal, cache: "no-store", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      bring(new DOMParser().parseFromString(await answer.text(), "text/html"));
      if (page.querySelector("[data-waiting]") && looksLeft-- > 0) soon(WAITING_MS);
    } catch {
      // The widget tells that nobody is to be reached.
      soon(ASKING_MS);
    }
    isLooking = false;
    if (isWanted) soon(APART_MS);
  };

  const keepUpToDate = () => {
    const versions = new Map([...page.querySelectorAll("balance-widget")].map((one) => [one.getAttribute("currency"), Number(one.dataset.version)]));
    let state = "";
    document.addEventListener("purser:balance", ({ detail: { currency, version } }) => {
      if (version <= (versions.get(currency) ?? 0)) return;
      versions.set(currency, version);
      soon();
    });
    document.addEventListener("purser:withdrawal", () => soon());
    document.addEventListener("purser:connection", ({ detail }) => {
      // Frames that came while there was no socket are not sent again.
      if (state && detail.state === "live") soon();
      state = detail.state;
    });
    document.addEventListener("input", ({ target }) => touched.add(target.closest("[data-live]") ?? target));
    setInterval(() => state !== "live" && !document.hidden && page.querySelector("[data-open]") && soon(), ASKING_MS);
    if (page.querySelector("[data-waiting]")) soon(WAITING_MS);
  };

  if (isFirst) keepUpToDate();

  // ---- the filters: days are those of the visitor's own clock, and what is not chosen is not in the address

  document.getElementById("filters").addEventListener("formdata", ({ formData }) => {
    formData.set("zone", Intl.DateTimeFormat().resolvedOptions().timeZone ?? "");
    if (!formData.get("from") && !formData.get("until")) formData.delete("zone");
    for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  });

  // ---- asking for a withdrawal: each rule's limits and words are in the page, as the server has them

  const { parse, wrong, tell } = window.purserAmounts;

  const wrongAmount = (input) => {
    const { payout_currency: currency } = input.form.elements;
    const limit = [...input.form.querySelectorAll("[data-currency]")].find((one) => one.dataset.currency === currency.value)?.dataset;
    if (!limit) return "";
    const digits = Number(limit.digits);
    const message = wrong(input, digits);
    if (message) return message;
    const amount = parse(input.value, digits);
    if (amount > Number(limit.available)) return limit.tooMuch;
    if (amount < Number(limit.minimum)) return limit.tooLittle;
    if (amount > Number(limit.maximum)) return limit.tooLarge;
    return amount % Number(limit.step) ? limit.uneven : "";
  };

  const wrongIn = (input) => {
    if (input.id === "amount") return wrongAmount(input);
    if (!("wrong" in input.dataset)) return "";
    const value = input.value.trim();
    return (input.dataset.pattern ? new RegExp(input.dataset.pattern).test(value) : value) ? "" : input.dataset.wrong;
  };

  const formOf = (element) => element.closest?.("#withdraw-form");

  const prepare = () => {
    const form = document.getElementById("withdraw-form");
    if (!form) return;
    form.noValidate = true; // our own words instead of the browser's
    // Come back to by the back button the page is made anew; its form stays the one that was sent, so that sending it again is no second one.
    const { idempotency_key: key } = form.elements;
    key.value = history.state?.withdrawKey ?? key.value;
    history.replaceState({ ...history.state, withdrawKey: key.value }, "");
  };

  // Before pages.js marks the form as sent.
  document.addEventListener(
    "submit",
    (event) => {
      if (!formOf(event.target)) return;
      const inputs = [...event.target.elements].filter((one) => one.id);
      for (const input of inputs) tell(input, wrongIn(input));
      const first = inputs.find((one) => one.getAttribute("aria-invalid") === "true");
      if (!first) return;
      event.preventDefault();
      first.focus();
    },
    true,
  );

  // On the way to the next field; not on the way to the button, which would move from under the pointer: sending tells all of it.
  document.addEventListener("focusout", ({ target, relatedTarget }) => {
    if (target.value && formOf(target) && relatedTarget?.matches("input, select") && formOf(relatedTarget)) tell(target, wrongIn(target));
  });

  document.addEventListener("change", ({ target }) => {
    const { amount } = formOf(target)?.elements ?? {};
    if (target.id === "payout_currency" && amount.value) tell(amount, wrongIn(amount));
  });

  document.addEventListener("input", ({ target }) => {
    if (formOf(target) && target.getAttribute("aria-invalid") === "true" && !wrongIn(target)) tell(target, "");
  });

  page.addEventListener("purser:content", prepare);
  prepare();

  // ---- calling one off

  page.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-cancel]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    dialog.querySelector("form").action = link.href;
    document.getElementById("cancel-sum").textContent = link.dataset.sum;
    dialog.showModal();
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => isWanted && soon());
})();
