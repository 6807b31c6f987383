// The widgets of one line: what they show, and which of them speaks for the page.

const POLL_SECONDS = { least: 1, usual: 30, most: 300 };

class Audience extends Set {
  isOnly(widget) {
    return this.size === 1 && this.has(widget);
  }

  /** About `currency` the first that shows it, else the first of all. */
  isFirst(widget, currency) {
    const all = [...this];
    return (all.find((one) => currency && one.shownCurrency === currency) ?? all[0]) === widget;
  }

  /** Each once; "" for the server's default. */
  get currencies() {
    return [...new Set([...this].map((widget) => widget.currency))];
  }

  get pollMs() {
    const wanted = Math.min(...[...this].map((widget) => widget.pollSeconds), POLL_SECONDS.most);
    return 1000 * Math.max(wanted, POLL_SECONDS.least);
  }

  /** Every widget that it concerns has the event; one of them lets it bubble, so that a listener on the document hears it once. */
  tell(type, detail, currency = "") {
    for (const widget of this) {
      const bubbles = this.isFirst(widget, currency);
      if (!bubbles && currency && widget.shownCurrency !== currency) continue;
      widget.dispatchEvent(new CustomEvent(type, { detail, bubbles, composed: bubbles }));
    }
  }
}
