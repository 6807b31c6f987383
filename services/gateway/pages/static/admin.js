// The operator's pages keep themselves up to date, and ask in a dialog what they would else ask on a page of its own.
"use strict";

(() => {
  const EVERY_MILLISECONDS = 10_000;
  const SLOWEST_MILLISECONDS = 160_000;

  const parsed = async (address) => {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store", redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  // ---- what changes by itself

  let pause = EVERY_MILLISECONDS;
  let due;
  // What a region was last told to be: what stands there has its times in the visitor's own zone.
  const shown = new WeakMap();

  const brought = (fresh) => {
    for (const region of document.querySelectorAll("[data-live]")) {
      const other = fresh.querySelector(`[data-live="${region.dataset.live}"]`);
      if (!other || shown.get(region) === other.innerHTML) continue;
      shown.set(region, other.innerHTML);
      const focused = region.contains(document.activeElement) ? document.activeElement : null;
      const place = focused?.getAttribute("href");
      const summary = [...region.querySelectorAll("summary")].indexOf(focused);
      const opened = [...region.querySelectorAll("details")].map((one) => one.open);
      region.replaceChildren(...document.importNode(other, true).childNodes);
      region.querySelectorAll("details").forEach((one, at) => { one.open = opened[at] ?? false; });
      if (place) region.querySelector(`[href="${CSS.escape(place)}"]`)?.focus();
      if (summary >= 0) region.querySelectorAll("summary")[summary]?.focus();
      region.dispatchEvent(new CustomEvent("purser:content", { bubbles: true }));
    }
  };

  const later = () => {
    clearTimeout(due);
    due = setTimeout(look, pause);
  };

  const look = async () => {
    if (document.hidden || document.querySelector("dialog[open]")) return later();
    try {
      const fresh = await parsed(location.href.split("#")[0]);
      // A dialog that was opened meanwhile leads back to the link that it was opened from.
      if (!document.querySelector("dialog[open]")) brought(fresh);
      pause = EVERY_MILLISECONDS;
    } catch {
      pause = Math.min(pause * 2, SLOWEST_MILLISECONDS);
    }
    later();
  };

  if (document.querySelector("[data-live]")) {
    document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
    later();
  }

  // ---- decisions

  const dialog = document.querySelector("dialog");
  if (!dialog) return;

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    try {
      const form = (await parsed(link.href)).querySelector("form.decision");
      if (!form) throw new Error("it cannot be decided any more");
      dialog.replaceChildren(document.importNode(form, true));
      dialog.dispatchEvent(new CustomEvent("purser:content", { bubbles: true }));
      dialog.showModal();
    } catch {
      location.assign(link.href);
    }
  });

  // The way back from a dialog is to close it.
  dialog.addEventListener("click", (event) => {
    if (!event.target.closest("[data-close]")) return;
    event.preventDefault();
    dialog.close();
  });
})();
