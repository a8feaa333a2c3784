// Times in the reader's own zone, buttons that copy, charts from data in the page. No page needs this to be read.
(function () {
  "use strict";
  var format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  function say(words) {
    var place = document.getElementById("said");
    if (place) { place.textContent = words; }
  }
  function localise(root) {
    root.querySelectorAll("time[datetime]:not([data-local])").forEach(function (time) {
      var moment = new Date(time.getAttribute("datetime"));
      if (isNaN(moment)) { return; }
      time.textContent = format.format(moment);
      time.setAttribute("data-local", "");
    });
  }
  function draw(root) {
    if (!window.uPlot) { return; }
    root.querySelectorAll("[data-chart]:not([data-drawn])").forEach(function (box) {
      var data = JSON.parse(document.getElementById(box.dataset.chart).textContent);
      var ink = getComputedStyle(box);
      var line = ink.getPropertyValue("--chart-line").trim(), text = ink.getPropertyValue("--chart-text").trim();
      var grid = ink.getPropertyValue("--chart-grid").trim();
      var axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
      var plot = new window.uPlot({
        width: box.clientWidth, height: 200, legend: { show: false }, cursor: { y: false },
        series: [{}, { label: box.dataset.label, stroke: line, width: 2, points: { size: 6 } }], axes: [axis, axis]
      }, data, box);
      box.setAttribute("data-drawn", "");
      window.addEventListener("resize", function () { plot.setSize({ width: box.clientWidth, height: 200 }); });
    });
  }
  function ready(root) { localise(root); draw(root); }
  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("[data-copy]");
    if (!button) { return; }
    navigator.clipboard.writeText(button.dataset.copy).then(function () {
      button.classList.add("copied");
      say("Copied");
      setTimeout(function () { button.classList.remove("copied"); }, 1200);
    });
  });
  document.addEventListener("DOMContentLoaded", function () { ready(document); });
  document.addEventListener("htmx:load", function (event) { ready(event.detail.elt); });
})();
