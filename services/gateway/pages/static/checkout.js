// Stripe's Payment Element in our payment page. All that it needs is in the form's data attributes; it decides nothing: whether the
// payment is paid, the page at the return address finds out for itself.
"use strict";

(() => {
  const form = document.getElementById("checkout");
  const button = document.getElementById("pay");
  const told = document.getElementById("told");
  const place = document.getElementById("payment-element");
  const { publishableKey, clientSecret, paymentId, returnPath, language, failed, blocked, working } = form.dataset;
  // On the host that the payer has typed, where their cookie is.
  const returnUrl = new URL(returnPath, window.location.href).href;
  const label = button.textContent;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // Text only: what a provider says is shown, never run.
  const tell = (text) => {
    told.textContent = text;
  };

  const busy = (is) => {
    button.disabled = is;
    button.textContent = is ? working : label;
    form.setAttribute("aria-busy", String(is));
  };

  const giveUp = () => {
    place.hidden = true;
    tell(blocked);
  };

  // Once: word of the payment may come while its page is on its way, which a second start would only delay.
  let isLeaving = false;
  const goOn = () => {
    if (isLeaving) return;
    isLeaving = true;
    window.location.assign(returnUrl);
  };
  window.addEventListener("pageshow", () => {
    isLeaving = false;
  });

  const isPaid = (intent) => Boolean(intent) && ["succeeded", "processing", "requires_capture"].includes(intent.status);

  // Stripe's fields in our colours: its frame does not see the page's own tokens, so it is told what they are now.
  const appearance = () => {
    const style = getComputedStyle(document.documentElement);
    const token = (name) => style.getPropertyValue(name).trim();
    return {
      theme: dark.matches ? "night" : "stripe",
      labels: "above",
      variables: {
        colorPrimary: token("--accent"),
        colorBackground: token("--card"),
        colorText: token("--ink"),
        colorTextSecondary: token("--muted"),
        colorDanger: token("--bad"),
        borderRadius: token("--radius-small"),
        fontFamily: "system-ui, sans-serif",
        fontSizeBase: "16px",
      },
    };
  };

  const start = () => {
    const stripe = window.Stripe(publishableKey);
    const elements = stripe.elements({ clientSecret, locale: language, appearance: appearance() });
    const element = elements.create("payment");
    element.on("ready", () => {
      button.disabled = false;
    });
    element.on("loaderror", giveUp);
    element.mount(place);
    dark.addEventListener("change", () => elements.update({ appearance: appearance() }));

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      busy(true);
      tell("");
      try {
        // Without a redirect where none is needed: Stripe.js would write the client secret behind the return address.
        const { error } = await stripe.confirmPayment({ elements, confirmParams: { return_url: returnUrl }, redirect: "if_required" });
        if (!error || isPaid(error.payment_intent)) return goOn();
        tell(error.message || failed);
      } catch {
        tell(failed);
      }
      busy(false);
    });
  };

  // Paid in another tab meanwhile: nobody is to pay it here again.
  document.addEventListener("purser:payment", (event) => {
    if (event.detail.payment_id === paymentId && event.detail.status !== "pending") goOn();
  });

  try {
    start();
  } catch {
    // Stripe.js was kept away (by a filter, a network), or does not take what it was given.
    giveUp();
  }
})();
