// The one icon for the theme. A page of Gradio has its class on the body, any other on its root;
// a Space tells its theme in the address, and where nobody does the system's is used.
const themed = () => document.querySelector("gradio-app") ? document.body : document.documentElement;
document.addEventListener("click", (event) => {
  if (event.target.closest?.(".theme-switch")) themed().classList.toggle("dark");
});
if (document.currentScript?.dataset.start === "here") {
  const given = new URLSearchParams(location.search).get("__theme");
  const dark = given ? given === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark", dark);
}
