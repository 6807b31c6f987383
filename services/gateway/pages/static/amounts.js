// Sums as people of each language write them, read as services/gateway/amounts.py reads them, so that a form says at once what the server
// would say. `purserAmounts` for the forms' own scripts; digits: how many decimals the currency has.
"use strict";

(() => {
  const SIGNS = { en: [".", ","], ru: [",", ""], sr: [",", "."] };
  const MAX_MINOR = 10n ** 15n;
  const LENGTH_MAX = 60;
  const locale = document.documentElement.lang.split("-")[0];

  const refuse = (error) => {
    throw new RangeError(error);
  };

  const isGrouped = ([first, ...others]) => /^-?[1-9]\d{0,2}$/.test(first) && others.every((group) => group.length === 3);

  const joined = (text, mark) => {
    const groups = text.split(mark);
    return isGrouped(groups) ? groups.join("") : refuse("malformed");
  };

  // Is it 1234, or 1 and 234 thousandths?
  const withOneMark = (text, mark, digits) => {
    const [decimal, grouping] = SIGNS[locale];
    const [whole, fraction] = text.split(mark);
    if (!isGrouped([whole, fraction])) return `${whole}.${fraction}`;
    if (mark === decimal && digits === 3) return `${whole}.${fraction}`;
    return mark === grouping && digits !== 3 ? whole + fraction : refuse("ambiguous");
  };

  const plainDecimal = (text, digits) => {
    const marks = text.match(/[ .,]/g) ?? [];
    const [first, ...kinds] = new Set(marks);
    const last = marks.at(-1);
    if (!first) return text;
    if (!kinds.length) return marks.length > 1 || first === " " ? joined(text, first) : withOneMark(text, first, digits);
    if (kinds.length > 1 || last === " " || marks.filter((mark) => mark === last).length > 1) refuse("malformed");
    const place = text.lastIndexOf(last);
    return `${joined(text.slice(0, place), first)}.${text.slice(place + 1)}`;
  };

  /** Minor units. RangeError: malformed, ambiguous, decimals or range. */
  const parse = (text, digits) => {
    const plain = text.replace(/[ \u00a0\u2009\u202f]/g, " ").trim().replaceAll("\u2212", "-");
    if (text.length > LENGTH_MAX || !/^-?[0-9]+(?:[ .,][0-9]+)*$/.test(plain)) refuse("malformed");
    const [whole, fraction = ""] = plainDecimal(plain, digits).split(".");
    if (/[1-9]/.test(fraction.slice(digits))) refuse("decimals");
    const minor = BigInt(whole.replace("-", "") + fraction.slice(0, digits).padEnd(digits, "0"));
    if (whole.startsWith("-") || minor === 0n || minor > MAX_MINOR) refuse("range");
    return Number(minor);
  };

  /** What is wrong with an input's amount, in the words that it carries (data-malformed, …); "" when nothing is. */
  const wrong = (input, digits) => {
    try {
      parse(input.value, digits);
      return "";
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return input.dataset[error.message];
    }
  };

  /** Writes the message beside its field, as the server would have; "" takes it away. */
  const tell = (input, message) => {
    const id = `${input.id}-error`;
    let place = document.getElementById(id);
    if (place?.textContent === message || (!place && !message)) return;
    if (!place) {
      place = document.createElement("p");
      place.className = "wrong";
      place.id = id;
      input.closest(".field").append(place);
    }
    const others = (input.getAttribute("aria-describedby") ?? "").split(/\s+/).filter((one) => one && one !== id);
    place.textContent = message;
    if (message) {
      input.setAttribute("aria-invalid", "true");
      others.push(id);
    } else {
      input.removeAttribute("aria-invalid");
      place.remove();
    }
    input.setAttribute("aria-describedby", others.join(" "));
  };

  window.purserAmounts = { parse, wrong, tell };
})();
