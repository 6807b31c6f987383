// <balance-widget>: somebody's balance in one currency, kept up to date. docs/widget.md has its attributes, properties, events and parts.

const HERE = new URL(import.meta.url).origin;
const ANNOUNCE_MS = 1_000; // several changes at once are announced as one
const CHANGE_MS = 3_000; // as long as the animation in balance-widget.css
const NO_BREAK = "\u00a0";

const STYLES = new CSSStyleSheet();
STYLES.replaceSync(BUILT.styles);

class BalanceWidget extends HTMLElement {
  static observedAttributes = ["api", "credentials", "currency", "lang", "login", "poll-seconds"];
  #getToken = null;
  #line = null;
  #parts = {};
  #isHere = false;
  #isRetrying = false;
  #announceTimer = 0;
  #changeTimer = 0;

  constructor() {
    super();
    this.#build();
  }

  connectedCallback() {
    this.#isHere = true;
    // Set before this class was known, it hides the accessor.
    if (Object.hasOwn(this, "getToken")) {
      this.#getToken = this.getToken;
      delete this.getToken;
    }
    this.#join();
  }

  disconnectedCallback() {
    this.#isHere = false;
    this.#leave();
  }

  attributeChangedCallback(name) {
    if (!this.#isHere) return;
    if (name === "api" || name === "credentials") this.#join();
    if (name === "poll-seconds") this.#line?.askLater();
    this.#line?.supply(this);
    this.render();
  }

  // For the page's own scripts

  /** An async function that gives the bearer token of whoever is logged in; asked again, with {expired: true}, when it is not taken. */
  get getToken() {
    return this.#getToken;
  }

  set getToken(getToken) {
    // Frameworks make a new function each time they render: that is no reason for a new socket.
    const isSwap = this.#getToken && getToken && this.#line?.widgets.isOnly(this);
    this.#getToken = getToken ?? null;
    if (isSwap) this.#line.getToken = getToken;
    else if (this.#isHere) this.#join();
  }

  /** "live", "asking" or "lost"; "" until it is known. */
  get state() {
    return this.#line?.state ?? "";
  }

  /** {currency, available, available_minor, held, held_minor, version}; null until it is known. */
  get balance() {
    return this.#line?.balances.get(this.shownCurrency) ?? null;
  }

  /** Asks now, and dials again where there is no socket; resolves to `balance`, whatever came of it. */
  async refresh() {
    await this.#line?.refresh();
    return this.balance;
  }

  // For the line

  get currency() {
    return (this.getAttribute("currency") ?? "").trim().toLowerCase();
  }

  get shownCurrency() {
    return this.currency || (this.#line?.defaultCurrency ?? "");
  }

  get pollSeconds() {
    return Number.parseFloat(this.getAttribute("poll-seconds")) || POLL_SECONDS.usual;
  }

  show(balance, before) {
    this.render();
    if (!before) return;
    const changeMinor = balance.available_minor - before.available_minor;
    if (changeMinor) this.#showChange(changeMinor, balance.currency);
    if (this.#line.widgets.isFirst(this, balance.currency)) this.#announce();
  }

  // Joining and leaving

  #join() {
    this.#leave();
    const credentials = this.getAttribute("credentials") || "include";
    // Without cookies, and without a token yet, there is nobody to ask for.
    if (credentials === "omit" && !this.#getToken) return;
    const api = (this.getAttribute("api") || HERE).replace(/\/+$/, "");
    this.#line = lineOf(api, this.#getToken ? "omit" : credentials, this.#getToken);
    this.#line.join(this);
    this.render();
  }

  #leave() {
    this.#line?.leave(this);
    this.#line = null;
  }

  async #retry() {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    this.#parts.retry.setAttribute("aria-disabled", "true");
    await this.refresh();
    this.#isRetrying = false;
    this.#parts.retry.removeAttribute("aria-disabled");
  }

  // What is seen

  #build() {
    const make = (tag, name, ...children) => {
      const element = document.createElement(tag);
      element.className = name;
      element.setAttribute("part", name);
      element.append(...children);
      this.#parts[name] = element;
      return element;
    };
    // The slot: what the server has written into the element is seen until something newer is known.
    const box = make(
      "span",
      "box",
      make("span", "label"),
      make("span", "amount", make("slot", "before", "…")),
      make("span", "status"),
      make("span", "held"),
      make("span", "told", make("span", "error", make("span", "message"), make("a", "login"), make("button", "retry"))),
      make("span", "spoken"),
      make("span", "change"),
    );
    const shadow = this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [STYLES];
    shadow.append(box);
    const { spoken, change, status, retry, error, held } = this.#parts;
    spoken.setAttribute("aria-live", "polite");
    change.setAttribute("aria-hidden", "true");
    status.setAttribute("role", "img");
    box.tabIndex = -1;
    retry.type = "button";
    retry.addEventListener("click", () => this.#retry());
    for (const element of [status, held, error, change]) element.hidden = true;
  }

  render() {
    const { label, amount, status, held, told, error, message, login, retry, box, before } = this.#parts;
    const { balance, state } = this;
    const words = this.#words();
    label.textContent = words.balance;
    if (balance) amount.textContent = this.#money(balance.available_minor, balance.currency);
    else if (!before.isConnected) amount.textContent = "…"; // another currency than the one that was shown
    box.classList.toggle("outdated", state === "lost");

    status.hidden = state !== "live" && state !== "asking";
    status.classList.toggle("asking", state === "asking");
    status.title = state === "live" ? words.live : words.asking;
    status.setAttribute("aria-label", status.title);

    held.hidden = !balance?.held_minor;
    if (balance) held.textContent = words.held.replace("%(amount)s", () => this.#money(balance.held_minor, balance.currency));

    const isLoggedOut = this.#line?.reason === "login";
    const address = isLoggedOut ? pageOf(this.getAttribute("login")) : null;
    if (state !== "lost" && this.shadowRoot.activeElement) box.focus(); // the button goes, the place stays
    told.setAttribute("aria-live", this.#line?.widgets.isFirst(this) ? "polite" : "off"); // all of them say the same
    error.hidden = state !== "lost";
    message.textContent = isLoggedOut ? words.loggedOut : words.unreachable;
    login.hidden = !address;
    login.textContent = words.login;
    if (address) login.href = address;
    retry.textContent = words.retry;
  }

  #showChange(changeMinor, currency) {
    const { change } = this.#parts;
    change.textContent = (changeMinor < 0 ? "−" : "+") + this.#money(Math.abs(changeMinor), currency);
    change.classList.toggle("gain", changeMinor > 0);
    change.hidden = true;
    change.getBoundingClientRect(); // begins the animation anew
    change.hidden = false;
    clearTimeout(this.#changeTimer);
    this.#changeTimer = setTimeout(() => (change.hidden = true), CHANGE_MS);
  }

  #announce() {
    clearTimeout(this.#announceTimer);
    this.#announceTimer = setTimeout(() => {
      const { spoken, label, amount } = this.#parts;
      spoken.textContent = `${label.textContent}: ${amount.textContent}`;
      // It is not there to be read twice.
      this.#announceTimer = setTimeout(() => (spoken.textContent = ""), 5 * ANNOUNCE_MS);
    }, ANNOUNCE_MS);
  }

  // In the visitor's language

  #locale() {
    let language;
    for (let node = this; node && !language; node = node.getRootNode().host) language = node.closest("[lang]")?.lang;
    try {
      const locale = new Intl.Locale(language || navigator.language);
      // Ours is written in Latin letters; Intl's own "sr" is not.
      return locale.language === "sr" && !locale.script ? new Intl.Locale(locale, { script: "Latn" }) : locale;
    } catch {
      return new Intl.Locale("en");
    }
  }

  #words() {
    return BUILT.words[this.#locale().language] ?? BUILT.words.en;
  }

  /** Exact: Intl is given decimal text, and ISO 4217's decimals, not the CLDR's (which has none for RSD). */
  #money(amountMinor, currency) {
    const code = currency.toUpperCase();
    const digits = BUILT.exponents[currency] ?? 2;
    const text = String(Math.abs(amountMinor)).padStart(digits + 1, "0");
    const major = `${amountMinor < 0 ? "-" : ""}${text.slice(0, text.length - digits)}${digits ? `.${text.slice(-digits)}` : ""}`;
    try {
      const exactly = { style: "currency", currency: code, minimumFractionDigits: digits, maximumFractionDigits: digits };
      return new Intl.NumberFormat(this.#locale(), exactly).format(major);
    } catch {
      return `${major}${NO_BREAK}${code}`; // no such currency: the server says so too
    }
  }
}

/** `address` where it leads to a page, not to a script. */
function pageOf(address) {
  const url = address && URL.canParse(address, location) && new URL(address, location);
  return url && /^https?:$/.test(url.protocol) ? url.href : null;
}

if (!customElements.get("balance-widget")) customElements.define("balance-widget", BalanceWidget);
