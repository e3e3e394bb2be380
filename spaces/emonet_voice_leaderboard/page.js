// A click on a head sorts the rows of each benchmark by themselves: they never mix.
const value = (row, column) => row.cells[column]?.dataset.v;
const order = (column, sign) => (one, other) => {
  const [a, b] = [value(one, column), value(other, column)];
  if (a === undefined || b === undefined) return (a === undefined) - (b === undefined); // last
  return sign * (column ? a - b : a.localeCompare(b));
};
document.addEventListener("click", (event) => {
  const button = event.target.closest?.(".board th button");
  if (!button) return;
  const head = button.closest("th"), table = head.closest("table");
  const was = head.getAttribute("aria-sort");
  const sort = was ? (was === "ascending" ? "descending" : "ascending") : button.dataset.first;
  for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sort);
  const column = Number(button.dataset.column), sign = sort === "ascending" ? 1 : -1;
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.matches(".group"));
    body.append(...rows.sort(order(column, sign)));
  }
});
