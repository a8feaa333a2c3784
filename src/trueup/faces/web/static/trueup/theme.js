// Before the first paint: the theme that was chosen here, else the one that the system prefers.
(function () {
  "use strict";
  var root = document.documentElement;
  var system = window.matchMedia("(prefers-color-scheme: dark)");
  function chosen() {
    try { return window.localStorage.getItem("trueup-theme"); } catch (_) { return null; }
  }
  function apply() {
    var dark = (chosen() || (system.matches ? "dark" : "light")) === "dark";
    root.setAttribute("data-bs-theme", dark ? "dark" : "light");
    document.querySelectorAll("[data-theme-switch]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(dark));
    });
  }
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", function (event) {
    if (!event.target.closest || !event.target.closest("[data-theme-switch]")) { return; }
    var next = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
    try { window.localStorage.setItem("trueup-theme", next); } catch (_) { /* remembered for this page alone */ }
    root.setAttribute("data-bs-theme", next);
    apply();
  });
  apply();
})();
