// A page's line to its balances: one ticket, one socket, one asker, shared by all widgets that speak to the same API for the same person.
//
// Its state: "live" (the socket tells), "asking" (no socket: GET /balance every so often), "lost" (neither works), "" (not known yet).

const STEADY_MS = 2_000; // a socket that lived this long was a good one: the backoff begins anew
const CHECK_EVERY = 4; // polls: while live, one question in so many shows whether the socket has died without a word
const GRACE_MS = 2_000; // an answer may be ahead of the socket by a moment
const LINGER_MS = 1_000; // after the last widget: pages that swap their content put the next one in at once
const UNAUTHORIZED = 4401; // a ticket that is not taken, or the token's end
const SERVICE_RESTART = 1012;

const lines = new Set();

/** The line to `api` of whoever `getToken` speaks for; without it, of whoever the cookie does. */
function lineOf(api, credentials, getToken) {
  for (const line of lines) if (line.leadsTo(api, credentials, getToken)) return line;
  const line = new Line(new Api(api, credentials, getToken));
  lines.add(line);
  return line;
}

class Line {
  state = "";
  reason = ""; // why lost: "login" or "unreachable"
  balances = new Map(); // by currency, the newest that was told
  defaultCurrency = "";
  widgets = new Audience(); // in order of joining
  #api;
  #running = null; // an AbortController: of the listeners, and a name of this run for what is on its way
  #attempt = null; // at a ticket
  #socket = null;
  #liveSince = 0; // 0: not live
  #heard = 0; // frames
  #backoff = new Backoff();
  #refused = false; // the last socket was closed with 4401
  #asked = null; // a promise: the question that is on its way
  #redialTimer = 0;
  #pollTimer = 0;
  #polls = 0;
  #user = ""; // whose balances they are

  constructor(api) {
    this.#api = api;
  }

  leadsTo(base, credentials, getToken) {
    return this.#api.base === base && this.#api.credentials === credentials && this.#api.getToken === getToken;
  }

  /** From now on it gives the tokens, for the same person. */
  set getToken(getToken) {
    this.#api.getToken = getToken;
  }

  join(widget) {
    this.widgets.add(widget);
    // Not at once: a script that follows may still set getToken, which makes it another line.
    setTimeout(() => {
      if (!this.widgets.has(widget)) return;
      if (!this.#running) this.#start();
      this.supply(widget);
    });
  }

  leave(widget) {
    this.widgets.delete(widget);
    setTimeout(() => this.widgets.size || this.#stop(), LINGER_MS);
  }

  /** Gets what `widget` is to show, if it is not known yet. */
  supply(widget) {
    if (!this.#running || this.balances.has(widget.shownCurrency)) return;
    if (!widget.shownCurrency) this.ask(); // only the server knows its default
    else if (this.#liveSince) this.#learn(nothingOf(widget.shownCurrency));
    else if (this.state) this.ask();
  }

  /** Tries everything now; resolves when that is answered, or was in vain. */
  async refresh() {
    this.#backoff.reset();
    if (!this.#running) this.#start();
    else if (!this.#liveSince) this.#dial();
    await this.ask();
  }

  // Beginning and end

  #start() {
    this.#running = new AbortController();
    watchPage(
      {
        resume: () => this.#resume(),
        rest: () => this.#rest(),
        lost: () => this.#down(),
        // The laptop was shut: the socket may be dead.
        seen: (sinceMs) => (this.#liveSince ? sinceMs > this.widgets.pollMs && this.ask() : this.#resume()),
      },
      this.#running.signal,
    );
    this.#dial();
  }

  #stop() {
    this.#rest();
    this.#running?.abort();
    this.#running = this.#asked = null;
    lines.delete(this);
  }

  #rest() {
    this.#hangUp();
    clearTimeout(this.#redialTimer);
    clearTimeout(this.#pollTimer);
    this.#redialTimer = 0;
  }

  #resume() {
    this.#backoff.reset();
    this.#hangUp();
    this.#dial();
    if (this.state !== "live") this.ask();
  }

  // The socket

  async #dial() {
    if (this.#attempt || this.#socket) return;
    clearTimeout(this.#redialTimer);
    this.#redialTimer = 0;
    const attempt = (this.#attempt = {});
    try {
      const { url } = await this.#api.request("POST", "/stream/ticket");
      if (this.#attempt !== attempt) return;
      this.#socket = new Socket(
        url,
        (frame) => this.#hear(frame),
        (code) => this.#down({ code }),
      );
      this.#attempt = null;
    } catch (error) {
      if (this.#attempt === attempt) this.#down(error);
    }
  }

  #hangUp() {
    const socket = this.#socket;
    this.#socket = this.#attempt = null;
    this.#liveSince = 0;
    socket?.close();
  }

  /** No socket now: another one soon, asking until then. `why`: {code} that it was closed with, or the ticket's error. */
  #down(why = {}) {
    const wasDialled = this.#socket !== null;
    if (this.#liveSince && performance.now() - this.#liveSince > STEADY_MS) {
      this.#backoff.reset();
      this.#refused = false;
    }
    this.#hangUp();
    clearTimeout(this.#redialTimer);
    if (why.status === 401) {
      this.#redialTimer = 0;
      this.#say("lost", "login");
      this.askLater(); // whoever has logged in again is seen by that
      return;
    }
    if (why.code === UNAUTHORIZED) {
      this.#api.expire();
      if (!this.#refused) {
        this.#refused = true;
        this.#dial();
        return;
      }
    }
    const waitMs = this.#backoff.nextMs() / (why.code === SERVICE_RESTART ? 2 : 1);
    this.#redialTimer = setTimeout(() => this.#dial(), Math.max(waitMs, why.retryAfterMs ?? 0));
    // At once, unless it is known what that would tell.
    const isGone = !wasDialled && !why.status;
    if (this.state === "lost" ? wasDialled : this.state !== "asking" || isGone) this.ask();
  }

  #hear(frame) {
    this.#heard += 1;
    switch (frame.type) {
      case "balance.snapshot":
        this.#takeSnapshot(frame.balances);
        break;
      case "balance.updated":
        this.#learn(frame);
        break;
      case "payment.updated":
        this.widgets.tell("purser:payment", frame);
        break;
      case "withdrawal.updated":
        this.widgets.tell("purser:withdrawal", frame);
    }
  }

  #takeSnapshot(balances) {
    this.#liveSince ||= performance.now();
    this.#beginAnew();
    for (const balance of balances) this.#learn(balance);
    for (const widget of this.widgets) this.supply(widget); // what never moved is not listed
    this.#say("live");
    this.askLater();
  }

  // Asking

  /** One question for each currency that is shown; the same ones for all who ask meanwhile. */
  ask() {
    const asked = (this.#asked ??= this.#ask().finally(() => {
      if (this.#asked === asked) this.#asked = null;
    }));
    return asked;
  }

  async #ask() {
    const running = this.#running;
    const { currencies } = this.widgets;
    if (!running || !currencies.length) return;
    clearTimeout(this.#pollTimer);
    const heard = this.#heard;
    const answers = await Promise.allSettled(
      currencies.map((currency) => this.#api.request("GET", `/balance${currency && `?currency=${encodeURIComponent(currency)}`}`)),
    );
    if (running !== this.#running) return;
    const balances = answers.flatMap(({ value }) => value ?? []);
    if (balances.length) this.#meet(balances[0].user_id);
    this.defaultCurrency = answers[currencies.indexOf("")]?.value?.currency ?? this.defaultCurrency;
    for (const widget of this.widgets) if (!widget.currency) widget.render(); // what it shows may be known already
    const isNews = balances.map((balance) => this.#learn(balance)).includes("newer");
    const isLoggedOut = !balances.length && answers.some(({ reason }) => reason.status === 401);
    if (this.#liveSince && isLoggedOut) {
      // In another tab: the socket is of a session that is over.
      this.#down({ status: 401 });
      return;
    }
    if (this.#liveSince) {
      // News that the socket does not tell as well: it is dead.
      if (isNews) setTimeout(() => running === this.#running && this.#liveSince && heard === this.#heard && this.#resume(), GRACE_MS);
    } else if (this.state || !(this.#attempt || this.#socket)) {
      if (balances.length) this.#say("asking");
      else this.#say("lost", isLoggedOut ? "login" : "unreachable");
      if (balances.length && !this.#redialTimer) this.#dial();
    }
    this.askLater();
  }

  /** Again after as long as the widgets say now. */
  askLater() {
    clearTimeout(this.#pollTimer);
    this.#pollTimer = setTimeout(
      () => {
        // Nobody looks: asked when somebody does.
        if (document.hidden || (this.#liveSince && ++this.#polls % CHECK_EVERY)) this.askLater();
        else this.ask();
      },
      this.widgets.pollMs * (0.9 + Math.random() / 5),
    );
  }

  // Telling

  /** Another token may be another person's, whose versions are not above the last one's. */
  #beginAnew() {
    if (this.#api.isRenewed) this.balances.clear();
    this.#api.isRenewed = false;
  }

  /** Somebody else has logged in, in another tab: the socket is not theirs. */
  #meet(user) {
    if (this.#user && user !== this.#user) {
      this.#api.isRenewed = true;
      if (this.#liveSince) this.#resume();
    }
    this.#user = user;
    if (!this.#liveSince) this.#beginAnew();
  }

  #learn(balance) {
    const { currency } = balance;
    const before = this.balances.get(currency);
    if (before && balance.version <= before.version) return "";
    this.balances.set(currency, balance);
    for (const widget of this.widgets) if (widget.shownCurrency === currency) widget.show(balance, before);
    this.widgets.tell("purser:balance", balance, currency);
    return before ? "newer" : "first";
  }

  #say(state, reason = "") {
    if (state === this.state && reason === this.reason) return;
    Object.assign(this, { state, reason });
    for (const widget of this.widgets) widget.render();
    this.widgets.tell("purser:connection", reason ? { state, reason } : { state });
  }

}

const nothingOf = (currency) => ({ currency, available: 0, available_minor: 0, held: 0, held_minor: 0, version: 0 });
