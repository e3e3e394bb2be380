// One line through every picture follows the player; a click in a picture moves the player there.
const player = () => document.querySelector(".voice-player");
const follow = (event) => {
  if (!event.target.matches?.(".voice-player")) return;
  const { currentTime, duration } = event.target;
  document.documentElement.style.setProperty("--now", duration ? currentTime / duration : 0);
};
// Media events do not bubble, but they can be caught on their way down.
for (const kind of ["timeupdate", "seeking", "loadedmetadata"]) document.addEventListener(kind, follow, true);
document.addEventListener("click", (event) => {
  const lane = event.target.closest?.(".voice .lane");
  if (!lane || !player()?.duration) return;
  const box = lane.getBoundingClientRect();
  player().currentTime = ((event.clientX - box.left) / box.width) * player().duration;
});
