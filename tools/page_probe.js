// Uses the page of a run as a person would, and leaves what it saw in a <pre>: an object
// of names and whether they hold. tools/screenshots.py puts it at the end of a page.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const rows = () => all("tr[data-job]").filter((row) => !row.hidden).length;
  const seen = {};
  const total = rows();
  const name = document.getElementById("filter");
  const type = (field, text) => {
    field.value = text;
    field.dispatchEvent(new Event("input"));
  };
  type(name, all("tr[data-job]")[0].dataset.job);
  seen["a name filters the jobs"] = rows() >= 1 && rows() < total;
  type(name, "");
  const failed = document.querySelector("button[data-status=failed]");
  failed.click();
  seen["a status filters the jobs"] = rows() === all("tr[data-status=failed]").length;
  failed.click();
  seen["filters can be taken back"] = rows() === total;

  const job = document.querySelector("details.job.failed");
  seen["a failed job is open, its lines have numbers"] = job.open
    && all(".l > a", job).length > 10;
  const field = job.querySelector(".search input");
  type(field, "failed");
  const hits = all(".l.hit", job).length;
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  seen["a search finds lines and goes to one"] = hits > 0
    && job.querySelector("output").value === `1 of ${hits}`
    && all(".l.now", job).length === 1;

  const theme = () => getComputedStyle(document.body).backgroundColor;
  const before = theme();
  document.getElementById("theme").click();
  seen["the theme changes"] = theme() !== before;

  const box = document.querySelector("svg [data-job]");
  box.dispatchEvent(new MouseEvent("mouseenter"));
  seen["the arrows of a job stand out"] = all("svg .arrow.own").length > 0;

  const closed = document.querySelector("details.job:not([open])");
  location.hash = `#${closed.id}-L2`;
  setTimeout(() => {
    seen["the link of a line opens its job"] = closed.open
      && document.querySelector(".l.now").id === `${closed.id}-L2`;
    document.body.innerHTML = `<pre id="seen">${JSON.stringify(seen)}</pre>`;
  }, 200);
})();
