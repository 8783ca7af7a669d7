(function () {
  var form = document.getElementById("filter");
  if (!form) return;
  var trials = Array.prototype.slice.call(document.querySelectorAll("[data-trial]"));
  var count = document.getElementById("filter-count");
  function apply() {
    var task = form.task.value, condition = form.condition.value, pair = form.pair.value, shown = 0;
    trials.forEach(function (trial) {
      var keep = (task === "" || trial.dataset.task === task) &&
        (condition === "" || trial.dataset.condition === condition) &&
        (pair === "" || trial.dataset.differ.split(" ").indexOf(pair) >= 0);
      trial.hidden = !keep;
      if (keep) shown += 1;
    });
    count.textContent = shown + " of " + trials.length + " shown";
  }
  form.addEventListener("change", apply);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.hidden = false;
  apply();
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details.why").forEach(function (d) { d.open = true; });
  });
})();
