// Inside the Payment Element's frame: the choice of a test card, told to the page around it.
"use strict";

(() => {
  const METHODS = [
    ["pm_card_visa", "4242 … pays"],
    ["pm_card_visa_chargeDeclined", "0002 … is declined"],
    ["pm_card_visa_chargeDeclinedInsufficientFunds", "9995 … has insufficient funds"],
    ["pm_card_authenticationRequired", "3184 … asks for 3-D Secure"],
    ["pm_sepaDebit_success", "Bank debit that is processed slowly and paid"],
    ["pm_sepaDebit_failed", "Bank debit that is processed slowly and fails"],
  ];

  // The page around is the merchant's, of whatever origin; nothing said here is secret.
  const tell = (message) => window.parent.postMessage({ stripeEmulator: true, ...message }, "*");

  const list = document.getElementById("methods");
  for (const [method, text] of METHODS) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = "method";
    input.value = method;
    input.addEventListener("change", () => tell({ type: "change", method }));
    label.append(input, text);
    list.append(label);
  }

  // The merchant's colours, as custom properties of this document.
  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || !event.data.stripeEmulator) return;
    for (const [name, value] of Object.entries(event.data.variables)) document.documentElement.style.setProperty(`--${name}`, value);
  });
  new ResizeObserver(() => tell({ type: "height", height: Math.ceil(document.body.getBoundingClientRect().height) })).observe(document.body);
  tell({ type: "ready" });
})();
