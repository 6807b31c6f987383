// The top-up form says at once what the server would say, and shows what each currency and way to pay allows. Without it the server says it.
"use strict";

(() => {
  const form = document.getElementById("deposit");
  const { amount, currency } = form.elements;
  const ways = [...form.querySelectorAll("input[name=method]")];
  const presets = form.querySelector(".presets");
  const locale = form.dataset.language === "sr" ? "sr-Latn" : form.dataset.language;

  // "value=rsd eur;value=jpy" -> of each currency its value
  const byCurrency = (text) =>
    new Map(
      text.split(";").filter(Boolean).flatMap((group) => {
        const [value, currencies] = group.split("=");
        return currencies.split(" ").map((code) => [code, value]);
      }),
    );
  const digitsOf = byCurrency(form.dataset.digits);
  const presetsOf = byCurrency(form.dataset.presets);
  const limitsOf = new Map(ways.map((way) => [way, byCurrency(way.dataset.limits)]));

  const digits = () => Number(digitsOf.get(currency.value) ?? 2);
  const chosen = () => ways.find((way) => way.checked);
  const limits = (way) => limitsOf.get(way).get(currency.value)?.split(":").map(Number);
  const said = (name, values) => form.dataset[name].replace(/%\((\w+)\)s/g, (_, key) => values[key]);

  // Exactly: Intl reads decimal text, and knows no decimals of some currencies that have them.
  const money = (minor) => {
    const places = digits();
    const text = String(minor).padStart(places + 1, "0");
    const major = places ? `${text.slice(0, -places)}.${text.slice(-places)}` : text;
    const exactly = { minimumFractionDigits: places, maximumFractionDigits: places };
    return new Intl.NumberFormat(locale, { style: "currency", currency: currency.value.toUpperCase(), ...exactly }).format(major);
  };

  const wrongMethod = (way) => {
    if (!way || limits(way)) return "";
    return said("currency", { method: way.dataset.name, currency: currency.value.toUpperCase() });
  };

  const wrongAmount = () => {
    const message = window.purserAmounts.wrong(amount, digits());
    const within = message || !chosen() ? null : limits(chosen());
    if (!within) return message;
    const minor = window.purserAmounts.parse(amount.value, digits());
    const [least, most, step] = within;
    if (minor < least) return said("minimum", { amount: money(least) });
    if (minor > most) return said("maximum", { amount: money(most) });
    return minor % step ? said("step", { amount: money(step) }) : "";
  };

  const tellMethod = (message) => {
    const fieldset = ways[0].closest("fieldset");
    let place = document.getElementById("method-error");
    if (!place && message) {
      place = document.createElement("p");
      place.className = "wrong";
      place.id = "method-error";
      fieldset.append(place);
    }
    if (message) {
      place.textContent = message;
      fieldset.setAttribute("aria-describedby", "method-error");
    } else {
      place?.remove();
      fieldset.removeAttribute("aria-describedby");
    }
  };

  const limitsTold = ([least, most, step]) => {
    const hasLeast = least > step;
    const hasMost = most < 1e10; // a larger one is nobody's
    const name = hasLeast && hasMost ? "between" : hasLeast ? "from" : hasMost ? "to" : "";
    return name && said(name, { least: money(least), most: money(most) });
  };

  const showWays = () => {
    for (const way of ways) {
      const within = limits(way);
      way.disabled = !within;
      way.closest("label").querySelector(".limits").textContent = within ? limitsTold(within) : wrongMethod(way);
    }
    if (chosen()?.disabled) (ways.find((way) => !way.disabled) ?? chosen()).checked = true;
  };

  const markPreset = () => {
    for (const link of presets.querySelectorAll("a")) {
      if (link.dataset.amount === amount.value.trim()) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };

  const showPresets = () => {
    const amounts = (presetsOf.get(currency.value) ?? "").split(" ").filter(Boolean);
    presets.hidden = !amounts.length;
    presets.replaceChildren(
      ...amounts.map((text) => {
        const link = document.createElement("a");
        link.className = "choice";
        link.href = `${form.getAttribute("action")}?${new URLSearchParams({ amount: text, currency: currency.value, method: chosen()?.value ?? "" })}`;
        link.dataset.amount = text;
        link.textContent = new Intl.NumberFormat(locale).format(Number(text));
        const item = document.createElement("li");
        item.append(link);
        return item;
      }),
    );
    markPreset();
  };

  // Nobody is told that something is wrong before they have written it.
  const check = () => {
    if (amount.value.trim()) window.purserAmounts.tell(amount, wrongAmount());
    tellMethod(wrongMethod(chosen()));
  };

  presets.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    amount.value = link.dataset.amount;
    markPreset();
    check();
  });
  amount.addEventListener("input", () => {
    markPreset();
    if (amount.hasAttribute("aria-invalid")) check();
  });
  amount.addEventListener("change", check);
  currency.addEventListener("change", () => {
    showWays();
    showPresets();
    check();
  });
  for (const way of ways) way.addEventListener("change", check);

  form.addEventListener("submit", (event) => {
    const message = wrongAmount();
    const other = wrongMethod(chosen());
    window.purserAmounts.tell(amount, message);
    tellMethod(other);
    if (!message && !other) return;
    event.preventDefault();
    (message ? amount : chosen()).focus();
  });

  // What a browser has kept of an earlier visit may be another currency than the server has shown.
  const settle = () => {
    showWays();
    showPresets();
  };
  window.addEventListener("pageshow", settle);
  settle();
})();
