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
  // An anchor inside what is folded away opens it.
  function unfold() {
    var place = null;
    try { place = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch (ignored) { return; }
    if (!place) return;
    for (var at = place; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    place.scrollIntoView();
  }
  window.addEventListener("hashchange", unfold);
  unfold();
  var form = document.getElementById("filter");
  if (!form) return;
  var trials = Array.prototype.slice.call(document.querySelectorAll("[data-trial]"));
  var count = document.getElementById("filter-count"), rest = document.querySelector("details.rest");
  var fields = ["task", "condition", "pair", "outcome"].filter(function (name) { return form[name]; });
  function has(list, pair) { return pair === "" ? list !== "" : list.split(" ").indexOf(pair) >= 0; }
  function words(name) { return form[name].selectedOptions[0].textContent; }
  // The choice stands in the address by its words, so that a link holds when the report is written anew.
  function remember() {
    var said = fields.filter(function (name) { return form[name].value !== ""; }).map(function (name) {
      return name + "=" + encodeURIComponent(words(name));
    });
    try { history.replaceState(null, "", said.length ? "#trials?" + said.join("&") : "#trials"); } catch (ignored) { return; }
  }
  function recall() {
    if (location.hash.indexOf("#trials?") !== 0) return;
    location.hash.slice(8).split("&").forEach(function (part) {
      var name = part.split("=")[0], wanted = part.slice(name.length + 1);
      try { wanted = decodeURIComponent(wanted); } catch (ignored) { return; }
      if (fields.indexOf(name) < 0) return;
      Array.prototype.forEach.call(form[name].options, function (option) { if (option.textContent === wanted) option.selected = true; });
    });
    document.getElementById("trials").scrollIntoView();
  }
  function apply() {
    var task = form.task.value, condition = form.condition.value, pair = form.pair.value, cards = 0, rows = 0;
    var outcome = form.outcome ? form.outcome.value : "";
    trials.forEach(function (trial) {
      var keep = (task === "" || trial.dataset.task === task) &&
        (condition === "" || trial.dataset.condition === condition) &&
        (pair === "" || has(trial.dataset.differ, pair)) && (outcome === "" || has(trial.dataset[outcome], pair));
      trial.hidden = !keep;
      if (keep) { if (trial.tagName === "TR") rows += 1; else cards += 1; }
    });
    var filtered = task !== "" || condition !== "" || pair !== "" || outcome !== "";
    count.textContent = (cards + rows) + " of " + trials.length + " trials: " + cards + (cards === 1 ? " card" : " cards") +
      (rows ? ", " + rows + " in the list below" : "");
    if (rest) {
      if (filtered) rest.open = rows > 0;
      rest.hidden = filtered && rows === 0;
      var summary = rest.querySelector("summary");
      summary.dataset.all = summary.dataset.all || summary.textContent;
      summary.textContent = filtered ? rows + (rows === 1 ? " trial" : " trials") + " in the list" : summary.dataset.all;
    }
  }
  form.addEventListener("change", function () { apply(); remember(); });
  form.addEventListener("reset", function () { window.setTimeout(function () { apply(); remember(); }, 0); });
  window.addEventListener("hashchange", function () { recall(); apply(); });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.hidden = false;
  recall();
  apply();
})();
