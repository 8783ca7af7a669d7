(function () {
  // On a narrow screen rows become cards: every cell needs the name of its column. Without scripts tables scroll.
  document.querySelectorAll(".scroll > table").forEach(function (table) {
    var names = Array.prototype.map.call(table.querySelectorAll("thead tr:last-child > *"), function (cell) {
      return cell.classList.contains("graphic") ? "" : cell.textContent.trim();
    });
    if (names.length > 14) return;
    table.querySelectorAll("tbody tr").forEach(function (row) {
      if (row.cells.length !== names.length) return;
      Array.prototype.forEach.call(row.cells, function (cell, i) { if (cell.tagName === "TD") cell.dataset.label = names[i]; });
    });
    table.classList.add("stack");
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details.why").forEach(function (d) { d.open = true; });
  });
  var form = document.getElementById("filter");
  if (!form) return;
  var trials = Array.prototype.slice.call(document.querySelectorAll("[data-trial]"));
  var count = document.getElementById("filter-count"), rest = document.querySelector("details.rest");
  function apply() {
    var task = form.task.value, condition = form.condition.value, pair = form.pair.value, cards = 0, rows = 0;
    trials.forEach(function (trial) {
      var keep = (task === "" || trial.dataset.task === task) &&
        (condition === "" || trial.dataset.condition === condition) &&
        (pair === "" || trial.dataset.differ.split(" ").indexOf(pair) >= 0);
      trial.hidden = !keep;
      if (keep) { if (trial.tagName === "TR") rows += 1; else cards += 1; }
    });
    var filtered = task !== "" || condition !== "" || pair !== "";
    count.textContent = (cards + rows) + " of " + trials.length + " trials: " + cards + " with sound" +
      (rows ? ", " + rows + " in the list below" : "");
    if (rest) {
      if (filtered) rest.open = rows > 0;
      rest.hidden = filtered && rows === 0;
      var summary = rest.querySelector("summary");
      summary.dataset.all = summary.dataset.all || summary.textContent;
      summary.textContent = filtered ? rows + (rows === 1 ? " trial" : " trials") + " in the list" : summary.dataset.all;
    }
  }
  form.addEventListener("change", apply);
  form.addEventListener("reset", function () { window.setTimeout(apply, 0); });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.hidden = false;
  apply();
})();
