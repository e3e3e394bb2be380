// The one icon for the theme. A page of Gradio has its class on the body, any other on its root;
// a Space tells its theme in the address, and where nobody does the system's is used.
const themed = () => document.querySelector("gradio-app") ? document.body : document.documentElement;
document.addEventListener("click", (event) => {
  if (event.target.closest?.(".theme-switch")) themed().classList.toggle("dark");
});
// In a message of Gradio the button that closes it lies in another, which only folds the message.
new MutationObserver(() => {
  for (const head of document.querySelectorAll(".toast-header[role]"))
    for (const name of ["role", "tabindex"]) head.removeAttribute(name);
}).observe(document, { childList: true, subtree: true });
// A message is about what was done last: whatever is done next closes it, so that none pile up.
for (const kind of ["click", "change", "drop"])
  document.addEventListener(kind, (event) => {
    const done = event.target.closest?.("button, input, textarea, select, [role=option]");
    if (!done || done.closest(".toast-wrap")) return;
    for (const close of document.querySelectorAll(".toast-close")) close.click();
  }, true);
if (document.currentScript?.dataset.start === "here") {
  const given = new URLSearchParams(location.search).get("__theme");
  const dark = given ? given === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark", dark);
}
