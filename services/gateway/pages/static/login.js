// A demo login is filled in by one click; without this the address of the link does half of it.
"use strict";

(() => {
  const form = document.getElementById("log-in");
  document.querySelector(".logins")?.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    form.elements.login.value = link.dataset.login;
    form.elements.password.value = link.dataset.login;
    form.querySelector("button").focus();
  });
})();
