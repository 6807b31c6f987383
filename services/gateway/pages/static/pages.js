// What every page does a little better with JavaScript; nothing of it is needed.
"use strict";

(() => {
  const language = document.documentElement.lang;

  // Times are sent in UTC; the visitor's own clock is only known here.
  const inOwnZone = (root) => {
    const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" });
    for (const element of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(element.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      element.title = element.textContent;
      const parts = ("clock" in element.dataset ? clock : format).formatToParts(moment);
      // It breaks between the day and the time alone.
      element.textContent = parts.map(({ value }, at) => value.replace(parts[at + 1]?.type === "hour" ? / (?=.)/g : / /g, "\u00a0")).join("");
    }
  };

  // A form that makes something is sent once: the second click of a double click sends nothing.
  const sendOnce = (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
  };

  document.addEventListener("submit", sendOnce);

  // Back out of the browser's memory the page is as it was left: its forms can be sent again (the server knows what was sent before).
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      form.removeAttribute("aria-busy");
    }
  });

  // What went wrong is read out and looked at first.
  document.getElementById("errors")?.focus();

  inOwnZone(document);
  // A page's own script has put fresh pieces of the page into it, and says so.
  document.addEventListener("purser:content", (event) => inOwnZone(event.target));
})();
