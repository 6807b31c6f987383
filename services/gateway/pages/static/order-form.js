// The order form: values beside their sliders, and what the server would say of the fields, at once and in its words.
"use strict";

(() => {
  const form = document.getElementById("order");
  if (!form) return;
  const { email, phone, birth_date: birthDate } = form.elements;
  const points = document.getElementById("points");
  form.noValidate = true;

  const sliders = points ? [...points.querySelectorAll("input[type=range]")] : [];
  const tickOf = (slider) => form.elements[`with_${slider.name}`];

  const showPoint = (slider) => {
    const output = points.querySelector(`output[for=${slider.id}]`);
    const included = tickOf(slider).checked;
    slider.disabled = !included;
    slider.dataset.value = slider.value;
    output.value = included ? slider.value : "–";
    output.hidden = false;
  };
  const showPoints = () => sliders.forEach(showPoint);

  if (points) {
    points.classList.add("scripted");
    for (const slider of sliders) {
      slider.addEventListener("input", () => showPoint(slider));
      tickOf(slider).addEventListener("change", () => showPoint(slider));
    }
    showPoints();
  }
  // Whoever comes back finds what they had entered, without an event that tells of it.
  window.addEventListener("pageshow", showPoints);

  const said = (name) => form.dataset[name];
  const fits = (input, pattern) => new RegExp(`^(?:${pattern})?$`, "u").test(input.value.replace(/^ +| +$/g, ""));

  /** What is wrong: pairs of the field's element and the message, in the form's order. */
  const faults = () => {
    const found = [];
    if (points && !sliders.some((slider) => tickOf(slider).checked)) found.push([points, said("points")]);
    if (birthDate && (birthDate.validity.badInput || birthDate.validity.rangeUnderflow || birthDate.validity.rangeOverflow)) {
      found.push([birthDate, said("birthDate")]);
    }
    const bad = [[email, "email"], [phone, "phone"]].filter(([input, name]) => !fits(input, said(`${name}Pattern`)));
    for (const [input, name] of bad) found.push([input, said(name)]);
    if (!bad.length && !email.value.trim() && !phone.value.trim()) found.push([email, said("contact")]);
    return found;
  };

  const describe = (element, id, on) => {
    const ids = new Set((element.getAttribute("aria-describedby") ?? "").split(/\s+/).filter(Boolean));
    ids[on ? "add" : "delete"](id);
    if (ids.size) element.setAttribute("aria-describedby", [...ids].join(" "));
    else element.removeAttribute("aria-describedby");
  };

  const clear = (element) => {
    document.getElementById(`${element.id}-error`)?.remove();
    element.removeAttribute("aria-invalid");
    describe(element, `${element.id}-error`, false);
  };

  const tell = (element, message) => {
    clear(element);
    const place = document.createElement("p");
    place.className = "wrong";
    place.id = `${element.id}-error`;
    place.textContent = message;
    if (element === points) {
      points.querySelector(".hint").after(place);
    } else {
      element.closest(".field").append(place);
      element.setAttribute("aria-invalid", "true");
    }
    describe(element, place.id, true);
  };

  const summarise = (found) => {
    document.getElementById("errors")?.remove();
    if (!found.length) return;
    const box = document.createElement("div");
    box.className = "alert";
    box.id = "errors";
    box.tabIndex = -1;
    box.setAttribute("role", "alert");
    const list = document.createElement("ul");
    for (const [element, message] of found) {
      const link = document.createElement("a");
      link.href = `#${element.id}`;
      link.textContent = message;
      const item = document.createElement("li");
      item.append(link);
      list.append(item);
    }
    const heading = document.createElement("p");
    heading.textContent = said("summary");
    box.append(heading, list);
    form.before(box);
    box.focus();
  };

  const fields = [points, birthDate, email, phone].filter(Boolean);
  form.addEventListener("submit", (event) => {
    const found = faults();
    fields.forEach(clear);
    for (const [element, message] of found) tell(element, message);
    summarise(found);
    if (found.length) event.preventDefault();
  });
  // What is being put right is not called wrong meanwhile; of e-mail and phone, either puts right that there is neither.
  for (const field of fields) {
    const together = field === email || field === phone ? [email, phone] : [field];
    for (const kind of ["input", "change"]) field.addEventListener(kind, () => together.forEach(clear));
  }
})();
