// A stand-in for Stripe.js (https://docs.stripe.com/js): the Payment Element and what is done with it, against this emulator.
// No eval, no inline styles, no inline scripts: a page needs script-src, connect-src and frame-src of this origin, and nothing else.
"use strict";

(() => {
  const ORIGIN = new URL(document.currentScript.src).origin;
  const RETURNED = { succeeded: "succeeded", requires_capture: "succeeded", processing: "pending" };

  class IntegrationError extends Error {
    constructor(message) {
      super(message);
      this.name = "IntegrationError";
    }
  }

  const intentOf = (clientSecret) => {
    const match = /^(pi_[A-Za-z0-9]+)_secret_[A-Za-z0-9]+$/.exec(clientSecret || "");
    if (!match) throw new IntegrationError("Invalid value for clientSecret: it should be of the form ${id}_secret_${secret}.");
    return match[1];
  };

  // Simple requests, as the browser calls them: the key goes in the body, so that nothing is asked beforehand.
  const request = async (method, path, parameters) => {
    const form = new URLSearchParams(parameters).toString();
    try {
      const response =
        method === "GET"
          ? await fetch(`${ORIGIN}${path}?${form}`)
          : await fetch(`${ORIGIN}${path}`, {
              method,
              headers: { "Content-Type": "application/x-www-form-urlencoded" },
              body: form,
            });
      const answer = await response.json();
      return response.ok ? { paymentIntent: answer } : { error: answer.error };
    } catch (problem) {
      const message = "We are experiencing issues connecting to our payments provider. Please check your internet connection and try again.";
      return { error: { type: "api_connection_error", message } };
    }
  };

  // docs.stripe.com/elements/appearance-api: plain values; the frame is another document, where a page's own custom properties mean nothing.
  const checkedAppearance = (appearance = {}) => {
    for (const [name, value] of Object.entries(appearance.variables || {})) {
      const plain = typeof value === "string" && value.trim() !== "" && !value.includes("var(");
      if (!plain || (name.startsWith("color") && !CSS.supports("color", value))) {
        throw new IntegrationError(`Invalid value for appearance.variables.${name}: ${JSON.stringify(value)}.`);
      }
    }
    return appearance;
  };

  class PaymentElement {
    constructor(appearance) {
      this.appearance = appearance;
      this.method = null;
      this.frame = null;
      this.listeners = {};
      this.heard = this.hear.bind(this);
    }

    mount(place) {
      const parent = typeof place === "string" ? document.querySelector(place) : place;
      if (!parent) throw new IntegrationError(`The selector you specified (${place}) applies to no DOM elements that are currently on the page.`);
      this.unmount();
      const frame = document.createElement("iframe");
      frame.title = "Secure payment input frame";
      frame.src = `${ORIGIN}/v3/frame.html`;
      frame.style.width = "100%";
      frame.style.border = "0";
      window.addEventListener("message", this.heard);
      frame.addEventListener("error", () => this.say("loaderror", { error: { type: "api_connection_error" } }));
      this.frame = frame;
      parent.replaceChildren(frame);
      return this;
    }

    hear(event) {
      if (!this.frame || event.source !== this.frame.contentWindow || event.origin !== ORIGIN || !event.data.stripeEmulator) return;
      if (event.data.type === "ready") {
        this.look(this.appearance);
        this.say("ready", {});
      } else if (event.data.type === "height") {
        this.frame.style.height = `${Number(event.data.height)}px`;
      } else if (event.data.type === "change") {
        this.method = String(event.data.method);
        this.say("change", { complete: true, empty: false, value: { type: this.method.startsWith("pm_card") ? "card" : "sepa_debit" } });
      }
    }

    look(appearance) {
      this.appearance = appearance;
      if (this.frame) this.frame.contentWindow.postMessage({ stripeEmulator: true, variables: appearance.variables || {} }, ORIGIN);
    }

    on(event, listener) {
      (this.listeners[event] = this.listeners[event] || []).push(listener);
      return this;
    }

    say(event, data) {
      for (const listener of this.listeners[event] || []) listener({ elementType: "payment", ...data });
    }

    unmount() {
      window.removeEventListener("message", this.heard);
      if (this.frame) this.frame.remove();
      this.frame = null;
    }

    destroy() {
      this.unmount();
      this.method = null;
    }
  }

  class Elements {
    constructor({ clientSecret, appearance }) {
      intentOf(clientSecret);
      this.clientSecret = clientSecret;
      this.appearance = checkedAppearance(appearance);
      this.element = null;
    }

    create(type) {
      if (type !== "payment") throw new IntegrationError(`This stand-in has no element of type ${type}.`);
      if (this.element) throw new IntegrationError("Can only create one Element of type payment.");
      this.element = new PaymentElement(this.appearance);
      return this.element;
    }

    getElement(type) {
      return type === "payment" ? this.element : null;
    }

    update({ appearance } = {}) {
      if (!appearance) return;
      this.appearance = checkedAppearance(appearance);
      if (this.element) this.element.look(this.appearance);
    }

    async fetchUpdates() {
      return {};
    }

    async submit() {
      if (this.element && this.element.method) return {};
      return { error: { type: "validation_error", code: "incomplete_payment_details", message: "Choose a test card." } };
    }
  }

  class StripeClient {
    constructor(key) {
      this.key = key;
    }

    elements(options) {
      if (!options || !options.clientSecret) throw new IntegrationError("This stand-in needs elements({clientSecret}).");
      return new Elements(options);
    }

    async confirmPayment(options) {
      const { elements, confirmParams = {}, redirect = "always" } = options || {};
      const clientSecret = (options || {}).clientSecret || (elements && elements.clientSecret);
      const intent = intentOf(clientSecret);
      if (redirect === "always" && !confirmParams.return_url) {
        throw new IntegrationError("You must provide a return_url in confirmParams when confirming without redirect: 'if_required'.");
      }
      const parameters = { key: this.key, client_secret: clientSecret };
      if (elements) {
        const { error } = await elements.submit();
        if (error) return { error };
        parameters.payment_method = elements.element.method;
      } else if (confirmParams.payment_method) {
        parameters.payment_method = confirmParams.payment_method;
      }
      // A page that leaves out the address stays where it is, and so does the payer's bank send them back to it.
      const returnUrl = confirmParams.return_url || window.location.href;
      const answer = await request("POST", `/v1/payment_intents/${intent}/confirm`, { ...parameters, return_url: returnUrl });
      if (answer.error) return { error: answer.error };
      const { status, next_action: action } = answer.paymentIntent;
      if (status === "requires_action" && action.redirect_to_url) return leave(action.redirect_to_url.url);
      if (redirect === "if_required") return answer;
      const back = new URL(returnUrl);
      back.searchParams.set("payment_intent", intent);
      back.searchParams.set("payment_intent_client_secret", clientSecret);
      back.searchParams.set("redirect_status", RETURNED[status] || "failed");
      return leave(back.href);
    }

    async retrievePaymentIntent(clientSecret) {
      return request("GET", `/v1/payment_intents/${intentOf(clientSecret)}`, { key: this.key, client_secret: clientSecret });
    }
  }

  // The page goes away: whoever waits for the answer waits for good, as with the real one.
  const leave = (url) => {
    window.location.assign(url);
    return new Promise(() => {});
  };

  window.Stripe = (key) => {
    if (!/^pk_/.test(key || "")) throw new IntegrationError("Please call Stripe() with your publishable key.");
    return new StripeClient(key);
  };
  window.Stripe.version = 3;
})();
