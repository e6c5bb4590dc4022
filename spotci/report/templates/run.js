"use strict";
(() => {
  const $ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;

  // Lines of a log are counted when it is opened: three hundred logs are much to count.
  function number(job) {
    if (job.dataset.numbered) return;
    job.dataset.numbered = "yes";
    for (const pre of $("pre[data-line]", job)) {
      const first = Number(pre.dataset.line);
      pre.innerHTML = pre.innerHTML.split("\n").map((line, index) => {
        const id = `${job.id}-L${first + index}`;
        return `<span class="l" id="${id}"><a href="#${id}">${first + index}</a>${line}</span>`;
      }).join("");
    }
  }

  function open(element) {
    for (let at = element; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
      if (at.matches(".job")) number(at);
    }
  }

  function follow() {
    const id = decodeURIComponent(location.hash.slice(1));
    const job = document.getElementById(id.replace(/-L\d+$/, ""));
    if (!job || !job.matches(".job")) return;
    job.hidden = false;
    open(job);
    const target = document.getElementById(id) || job;
    open(target);
    $(".l.now").forEach((line) => line.classList.remove("now"));
    if (target !== job) target.classList.add("now");
    target.scrollIntoView({ block: target === job ? "start" : "center" });
  }

  function search(job) {
    const field = job.querySelector(".search input");
    const count = job.querySelector(".search output");
    let hits = [];
    let at = -1;
    const show = (step) => {
      if (!hits.length) return;
      hits[at]?.classList.remove("now");
      at = (at + step + hits.length) % hits.length;
      open(hits[at].parentElement);
      hits[at].classList.add("now");
      hits[at].scrollIntoView({ block: "center" });
      count.value = `${at + 1} of ${hits.length}`;
    };
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase();
      $(".hit, .now", job).forEach((line) => line.classList.remove("hit", "now"));
      hits = wanted ? $(".l", job).filter((line) =>
        line.textContent.replace(/^\d+/, "").toLowerCase().includes(wanted)) : [];
      hits.forEach((line) => line.classList.add("hit"));
      at = -1;
      count.value = wanted ? `${hits.length} ${hits.length === 1 ? "line" : "lines"}` : "";
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") show(event.shiftKey ? -1 : 1);
    });
    $("button", job.querySelector(".search")).forEach((button, index) =>
      button.addEventListener("click", () => show(index ? 1 : -1)));
  }

  const name = document.getElementById("filter");
  const buttons = $("button[data-status]");
  function filter() {
    const wanted = name.value.toLowerCase();
    const statuses = buttons.filter((each) => each.getAttribute("aria-pressed") === "true")
      .map((each) => each.dataset.status);
    for (const item of $("[data-job][data-status]")) {
      const fits = item.dataset.job.toLowerCase().includes(wanted);
      item.hidden = !(fits && (!statuses.length || statuses.includes(item.dataset.status)));
    }
  }
  name.addEventListener("input", filter);
  buttons.forEach((button) => button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    filter();
  }));

  for (const drawing of $("svg.pipeline")) {
    const arrows = $(".arrow[data-from]", drawing);
    $("[data-job]", drawing).forEach((box) => {
      const point = (on) => {
        drawing.classList.toggle("pointed", on);
        arrows.forEach((arrow) => arrow.classList.toggle("own",
          on && [arrow.dataset.from, arrow.dataset.to].includes(box.dataset.job)));
      };
      box.addEventListener("mouseenter", () => point(true));
      box.addEventListener("mouseleave", () => point(false));
    });
  }

  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  for (const job of $("details.job")) {
    job.addEventListener("toggle", () => { if (job.open) number(job); });
    if (job.open) number(job);
    if (job.querySelector(".search")) search(job);
  }
  $(".script").forEach((item) => { item.hidden = false; });
  addEventListener("hashchange", follow);
  follow();
})();
