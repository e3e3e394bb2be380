// One player, one line through every picture. A picture is a slider: click, drag, or use the keys.
const player = () => document.querySelector(".voice-player");
const length = () => player()?.duration || 0;
const show = () => {
  const share = length() ? player().currentTime / length() : 0;
  document.documentElement.style.setProperty("--now", share);
  for (const seek of document.querySelectorAll(".seek")) {
    seek.setAttribute("aria-valuenow", (share * seek.getAttribute("aria-valuemax")).toFixed(2));
    seek.setAttribute("aria-valuetext", `${(share * length()).toFixed(1)} s`);
  }
};
const frame = () => {
  show();
  if (player() && !player().paused) requestAnimationFrame(frame);
};
const go = (time) => {
  if (!length()) return;
  player().currentTime = Math.min(Math.max(time, 0), length());
  show();
};
// Media events do not bubble, but they can be caught on their way down.
for (const kind of ["play", "timeupdate", "seeking", "loadedmetadata"])
  document.addEventListener(kind, (event) => event.target.matches?.(".voice-player") && frame(), true);
const point = (event) => {
  const seek = event.target.closest?.(".seek");
  if (!seek || !(event.buttons & 1)) return;
  const box = seek.getBoundingClientRect();
  go(((event.clientX - box.left) / box.width) * length());
};
document.addEventListener("pointerdown", point);
document.addEventListener("pointermove", point);
document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.(".seek") || !length()) return;
  const at = player().currentTime;
  const step = Math.min(1, length() / 20);
  const to = {
    ArrowLeft: at - step, ArrowDown: at - step, ArrowRight: at + step, ArrowUp: at + step,
    PageDown: at - length() / 10, PageUp: at + length() / 10, Home: 0, End: length(),
  }[event.key];
  if (to !== undefined) go(to);
  else if (event.key === " ") player().paused ? player().play() : player().pause();
  else return;
  event.preventDefault();
});
// A sign before the file has arrived; the style sheet takes it away when there is something to see.
const arriving = (event) => {
  if (event.target.closest?.("#recording")) document.body.dataset.arriving = "";
};
for (const kind of ["change", "drop"]) document.addEventListener(kind, arriving, true);
document.addEventListener("click", () => delete document.body.dataset.arriving, true);
