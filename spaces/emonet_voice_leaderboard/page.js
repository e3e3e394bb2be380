
// The list and a system's page, from what is in the address, and back into it.
const board = () => document.querySelector(".board:has(> .list)");
const state = () => new URLSearchParams(location.search);
const view = () => board().querySelector("section[data-bench]:not([hidden])");

const write = (changes, keep = "replaceState") => {
  const next = state();
  for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
  history[keep](null, "", next.size ? `?${next}` : location.pathname);
  draw();
};

const draw = () => {
  if (!board()) return;
  const now = state();
  const articles = [...board().querySelectorAll("article")];
  const shown = articles.find((one) => one.dataset.label === now.get("system"));
  document.body.toggleAttribute("data-system", Boolean(shown));
  for (const one of articles) one.hidden = one !== shown;
  board().querySelector(".list").hidden = Boolean(shown);
  const views = [...board().querySelectorAll("section[data-bench]")];
  const chosen = views.find((one) => one.dataset.bench === now.get("bench")) || views[0];
  for (const one of views) one.hidden = one !== chosen;
  const choose = board().querySelector("[data-choose]");
  if (choose) choose.value = chosen.dataset.bench;
  const find = board().querySelector("[data-find]");
  if (document.activeElement !== find) find.value = now.get("q") || "";
  for (const kind of ["access", "size"])
    for (const chip of board().querySelectorAll(`button[data-${kind}]`))
      chip.setAttribute("aria-pressed", chip.dataset[kind] === now.get(kind));
  filter(chosen, now);
  sort(chosen, now.get("sort"));
};

const filter = (chosen, now) => {
  const words = (now.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...chosen.querySelectorAll(".systems tbody tr[data-text]")];
  for (const row of rows)
    row.hidden = !words.every((word) => row.dataset.text.includes(word))
      || ["access", "size"].some((kind) => now.get(kind) && row.dataset[kind] !== now.get(kind));
  const left = rows.filter((row) => !row.hidden).length;
  chosen.querySelector(".nothing").hidden = left > 0;
  chosen.querySelector(".nothing").previousElementSibling.hidden = left === 0;
  board().querySelector(".count").textContent =
    left === rows.length ? `${left} systems` : `${left} of ${rows.length} systems`;
};

// "3.ascending"; what has no figure comes last, either way.
const sort = (chosen, asked) => {
  const [, number, order] = /^(\d{1,2})\.(ascending|descending)$/.exec(asked || "") || [];
  const button = chosen.querySelector(`.systems [data-column="${number}"]`)
    || chosen.querySelector('.systems [data-column="0"]');
  const column = Number(button.dataset.column), sign = order === "descending" ? -1 : 1;
  for (const head of chosen.querySelectorAll("[aria-sort]")) head.removeAttribute("aria-sort");
  button.closest("th").setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const value = (row) => row.cells[column].dataset.v;
  for (const body of chosen.querySelectorAll(".systems tbody")) {
    if (body.matches(".yardsticks") && column === 0) continue;
    body.append(...[...body.rows].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (!a || !b) return Number(!a) - Number(!b);
      return sign * (column === 1 ? a.localeCompare(b) : a - b);
    }));
  }
};

document.addEventListener("click", (event) => {
  if (!board()?.contains(event.target)) return;
  const link = event.target.closest("a[data-system], a[data-home]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    const system = new URLSearchParams(link.getAttribute("href")).get("system");
    write({ system }, "pushState");
    scrollTo(0, 0);
    board().querySelector(system ? "article:not([hidden]) h2" : "[data-find]").focus();
  }
  const chip = event.target.closest(".chips button");
  if (chip) {
    const [kind, value] = Object.entries(chip.dataset)[0];
    write({ [kind]: state().get(kind) === value ? "" : value });
  }
  const head = event.target.closest("th button");
  if (head) {
    const was = head.closest("th").getAttribute("aria-sort");
    const order = was ? (was === "ascending" ? "descending" : "ascending") : head.dataset.first;
    write({ sort: `${head.dataset.column}.${order}` });
  }
  if (event.target.closest("[data-clear]")) write({ q: "", access: "", size: "" });
});
document.addEventListener("input", (event) => {
  if (event.target.matches?.("[data-find]")) write({ q: event.target.value.trim() });
  if (event.target.matches?.("[data-choose]")) write({ bench: event.target.value });
});
addEventListener("popstate", draw);
// Gradio puts the page in when it is ready.
new MutationObserver((_, watch) => { if (board()) { watch.disconnect(); draw(); } })
  .observe(document, { childList: true, subtree: true });
