// What happens to the page that the widgets stand in: the network comes and goes, the page is left and come back to, nobody looks for long.

const HIDDEN_MS = 300_000; // a tab that nobody has looked at for so long gives its socket back

/** Tells `line` until `signal` is aborted: resume() connects anew, lost() the network is gone, rest() no connection is wanted,
    seen(sinceMs) somebody looks again. */
function watchPage(line, signal) {
  let hiddenAt = 0;
  let timer = 0;
  const on = (target, type, run) => target.addEventListener(type, run, { signal });
  on(window, "online", () => line.resume());
  on(window, "offline", () => line.lost());
  // A page that holds a socket is not kept for the back button.
  on(window, "pagehide", () => line.rest());
  on(window, "pageshow", (event) => event.persisted && line.resume());
  on(document, "visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) return line.seen(Date.now() - hiddenAt);
    hiddenAt = Date.now();
    timer = setTimeout(() => line.rest(), HIDDEN_MS);
  });
  on(signal, "abort", () => clearTimeout(timer));
}
