"use strict";
// What needs a script: sorting, filtering and copying tables, and changing the scale in place.
// Without it every row and every figure is there all the same.

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function value(row, column) {
  const cell = row.cells[column];
  const number = Number(cell.dataset.value ?? NaN);
  return Number.isNaN(number) ? cell.textContent.trim() : number;
}

function compare(a, b) {
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
  return typeof a === "number" ? -1 : 1; // rows without a number last
}

function sort(table, column) {
  const head = table.tHead.rows[0].cells[column];
  const down = head.getAttribute("aria-sort") === "ascending";
  all("th", table.tHead).forEach((one) => one.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(value(a, column), value(b, column)) * (down ? -1 : 1));
  table.tBodies[0].append(...rows);
}

function csv(table) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = [...table.rows].filter((row) => !row.hidden);
  const text = (cell) => quoted(cell.textContent.trim().replace(/\s+/g, " "));
  return rows.map((row) => [...row.cells].map(text).join(",")).join("\n") + "\n";
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

for (const table of all("table.sortable")) {
  all("th", table.tHead).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, column));
    head.append(button);
  });
}

for (const button of all("button[data-copy]")) {
  button.hidden = false;
  const words = button.textContent;
  button.addEventListener("click", async () => {
    await copy(csv(document.getElementById(button.dataset.copy)));
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = words), 1500);
  });
}

for (const form of all("form[data-filters]")) {
  form.hidden = false;
  const rows = [...document.getElementById(form.dataset.filters).tBodies[0].rows];
  const output = form.querySelector("output");
  const show = () => {
    const wanted = Object.fromEntries(new FormData(form));
    const words = (wanted.words ?? "").toLowerCase();
    let count = 0;
    for (const row of rows) {
      const about = row.dataset;
      const fits =
        (!wanted.verdict || about.verdict.split(" ").includes(wanted.verdict)) &&
        (!wanted.experiment || about.experiment.split(" ").includes(wanted.experiment)) &&
        (!wanted.effect || Math.abs(Number(about.effect || NaN)) >= Number(wanted.effect)) &&
        row.textContent.toLowerCase().includes(words);
      row.hidden = !fits;
      count += fits;
    }
    output.textContent = `${count} of ${rows.length}`;
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(show));
  show();
}

// The same figure at another scale: links keep the place, radio buttons choose what is shown.
for (const link of all("a[data-same-place]")) {
  link.addEventListener("click", () => (link.hash = location.hash));
}

for (const group of all("fieldset.switch")) {
  const images = all(`[data-of="${group.dataset.figure}"]`);
  group.hidden = images.length < 2;
  const show = (scale) => images.forEach((one) => (one.hidden = scale && one.dataset.scale !== scale));
  group.addEventListener("change", (event) => show(event.target.value));
  show(group.querySelector("input:checked").value);
}
