"use strict";
// One request at a time, sent again until the server has confirmed it: an answer is recorded once,
// however often it is sent. Whatever comes from the server is put in as text, never as HTML.

const RETRY_MS = 1500;
const LOOK_AGAIN_MS = 15000;
const LABELS = ["Not present", "Weakly present", "Strongly present"];
const $ = (id) => document.getElementById(id);
const audio = $("clip");
let task = null; // what the server said last
let busy = false;
let heard = false; // all of the recording has been played
let hearing = null; // how often, how long, since when
let pending = ""; // the answer that is on its way
let refused = ""; // why the last answer was not saved: it stays until the next one

function show(view) {
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = section.id !== `view-${view}`;
  }
  if (view !== "rate") audio.pause();
}

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What `read` makes of the reply, once there is one from a server that is not in trouble.
async function persist(path, request, read) {
  for (;;) {
    try {
      const response = await fetch(path, request);
      if (response.status < 500) {
        const value = await read(response);
        complain(refused);
        return value;
      }
    } catch { /* no connection, or one that broke off */ }
    complain(`No connection. ${pending && `Not saved yet: ${pending}. Keep this page open. `}Trying again …`);
    await wait(RETRY_MS);
  }
}

function call(path, body) {
  const request = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Annotation": "1" },
    body: JSON.stringify(body),
  };
  return persist(path, request, async (response) => (
    { ok: response.ok, status: response.status, ...await response.json() }
  ));
}

// As a whole: it can be played again without the server, and what fails then is the clip itself.
async function load(item) {
  const clip = await persist(`/clip/${encodeURIComponent(item.id)}`, {}, (response) => (
    response.ok ? response.blob() : null
  ));
  if (task.item !== item) return; // taken back in the meantime
  if (!clip) return act("/api/next", {}, "");
  URL.revokeObjectURL(audio.src);
  audio.src = URL.createObjectURL(clip);
  hearing.since = performance.now();
  $("time").textContent = "";
  wave.load(clip);
  play();
}

async function enter() {
  const me = await call("/api/me");
  $("who").hidden = !me.role;
  $("name").textContent = me.name || "";
  $("hub-sign-in").hidden = !me.hub;
  show({ rater: "intro", organiser: "organiser", stranger: "stranger" }[me.role] || "sign-in");
  if (me.role === "rater") $("start").focus();
}

async function signIn(code) {
  const reply = await call("/api/sign-in", { code });
  $("code").value = "";
  if (reply.ok) await enter();
  else {
    show("sign-in");
    complain(reply.status === 429 ? `There were ${reply.detail}.` : "No rater has this code. Check it, or ask the organiser.");
    $("code").focus();
  }
}

// Every change of a rater goes through here.
async function act(path, body, said) {
  if (busy) return;
  busy = true;
  if (path !== "/api/next") refused = "";
  enable();
  $("status").textContent = pending && `Saving: ${pending} …`;
  let reply = await call(path, body);
  pending = "";
  if (reply.status === 401 || reply.status === 403) {
    busy = false;
    return enter();
  }
  if (!reply.ok) { // refused: say why, and go on with what there is to do
    refused = `Not saved: ${reply.detail}.`;
    reply = await call("/api/next", {});
    said = "";
  }
  busy = false;
  choose(null);
  render(reply, said);
}

function render(reply, said) {
  task = reply;
  heard = false;
  hearing = { plays: 0, heard_s: 0, since: performance.now(), last: 0 };
  for (const flag of flags()) flag.checked = false;
  $("comment").value = "";
  $("more").open = false;
  enable();
  if (!task.item) {
    const again = !$("view-wait").hidden; // this page looks every few seconds: leave the focus
    const recordings = `${task.answered} recording${task.answered === 1 ? "" : "s"}`;
    $("wait-undo").hidden = !task.can_undo;
    $("wait-title").textContent = task.finished ? "This batch is complete" : "Nothing to rate right now";
    $("wait-text").textContent = task.finished
      ? `Thank you. You have rated ${recordings}: there is nothing left to do.`
      : `You have rated ${recordings}. More may come when others have answered; this page looks by itself.`;
    show("wait");
    if (!again) $("wait-title").focus();
    return;
  }
  $("emotion").textContent = task.item.emotion;
  $("about").textContent = task.item.about;
  $("round").value = task.first_round;
  const most = Math.max(task.most, task.answered + 1);
  $("answered").textContent = `Recording ${task.answered + 1} of ${most === task.answered + 1 ? "" : "up to "}${most}`;
  $("status").textContent = said || "";
  $("unplayable").hidden = true;
  show("rate");
  audio.pause();
  audio.removeAttribute("src");
  $("time").textContent = "Loading …";
  load(task.item);
  $("emotion").focus(); // so that Space plays again, and a screen reader says the emotion
}

function enable() {
  for (const button of document.querySelectorAll(".score")) button.disabled = busy || !heard;
  $("undo").disabled = busy || !task || !task.can_undo;
  $("wait-undo").disabled = busy;
}

function play() {
  if (!audio.getAttribute("src")) return; // not loaded yet: it plays by itself then
  audio.currentTime = 0;
  audio.play().catch(() => {
    // Beside what was said of the last answer, never in its place.
    const said = $("status").textContent;
    if (!heard && !audio.error && !said.endsWith("Press R to play.")) {
      $("status").textContent = `${said} Press R to play.`.trim();
    }
  });
}

const flags = () => [...document.querySelectorAll(".flags input")];

// Marks what was chosen, until the server has confirmed it.
function choose(score) {
  for (const button of document.querySelectorAll(".score")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.score) === score && score !== null));
  }
}

const answer = (score) => {
  if (busy || !task.item) return;
  if (!heard) {
    $("status").textContent = "Please hear it to its end first.";
    return;
  }
  const words = `${task.item.emotion}, ${LABELS[score].toLowerCase()}`;
  pending = words;
  choose(score);
  act("/api/answer", { item: task.item.id, score, hearing: {
    plays: hearing.plays,
    heard_s: hearing.heard_s,
    answer_s: (performance.now() - hearing.since) / 1000,
    flags: flags().filter((flag) => flag.checked).map((flag) => flag.value),
    comment: $("comment").value,
  } }, `Saved: ${words}.`);
};
const undo = () => { if (task && task.can_undo) act("/api/undo", {}, "Taken back: please answer it again."); };

// What was skipped was not heard: the ranges that were played have to make up the whole.
function follow() {
  if (!hearing || !(audio.duration > 0)) return;
  const step = audio.currentTime - hearing.last;
  if (step > 0 && step < 1.5 && !audio.seeking) hearing.heard_s += step;
  hearing.last = audio.currentTime;
  let covered = 0;
  for (let i = 0; i < audio.played.length; i += 1) covered += audio.played.end(i) - audio.played.start(i);
  if (!heard && covered >= 0.95 * audio.duration - 0.05) {
    heard = true;
    if ($("status").textContent.startsWith("Please hear")) $("status").textContent = "";
    enable();
  }
  const share = audio.currentTime / audio.duration;
  $("seek").value = 1000 * share;
  $("seek").setAttribute("aria-valuetext", `${audio.currentTime.toFixed(1)} s`);
  $("time").textContent = `${audio.currentTime.toFixed(1)} of ${audio.duration.toFixed(1)} s`;
  wave.draw(share);
}
for (const kind of ["timeupdate", "ended", "loadedmetadata"]) audio.addEventListener(kind, follow);
audio.addEventListener("seeking", () => { if (hearing) hearing.last = audio.currentTime; });
audio.addEventListener("play", () => {
  if (audio.currentTime < 0.05) hearing.plays += 1;
  const frame = () => { follow(); if (!audio.paused) requestAnimationFrame(frame); };
  frame();
});
for (const kind of ["play", "pause", "ended"]) {
  audio.addEventListener(kind, () => { $("pause").textContent = audio.paused ? "Play" : "Pause"; });
}
audio.addEventListener("error", () => {
  if (!audio.getAttribute("src")) return;
  complain("This recording cannot be played.");
  $("unplayable").hidden = false;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const key = event.key.toLowerCase();
  if (event.target.closest("textarea, input:not([type=checkbox], [type=range])")) return; // a comment
  if (key === "u" && !$("view-wait").hidden) return undo();
  if ($("view-rate").hidden) return;
  // Space belongs to a button or player that has the focus.
  if (key === " " && event.target.closest("button, input, summary")) return;
  if (key === "r" || key === " ") { event.preventDefault(); play(); }
  if (key === "u") undo();
  if (["0", "1", "2"].includes(key)) answer(Number(key));
  const flag = flags().find((one) => one.dataset.key === key);
  if (flag && !busy) flag.checked = !flag.checked;
});

for (const button of document.querySelectorAll(".score")) {
  button.addEventListener("click", () => answer(Number(button.dataset.score)));
}
$("replay").addEventListener("click", play);
$("pause").addEventListener("click", () => {
  if (!audio.paused) audio.pause();
  else if (audio.ended) play();
  else audio.play();
});
$("seek").addEventListener("input", () => {
  if (audio.duration > 0) audio.currentTime = ($("seek").value / 1000) * audio.duration;
});
// An answer that nobody has confirmed is lost with the page.
addEventListener("beforeunload", (event) => { if (pending) event.preventDefault(); });
$("undo").addEventListener("click", undo);
$("wait-undo").addEventListener("click", undo);
$("unplayable").addEventListener("click", () => act("/api/unplayable", { item: task.item.id }, ""));
$("start").addEventListener("click", () => act("/api/next", {}, ""));
$("sign-out").addEventListener("click", async () => { await call("/api/sign-out", {}); await enter(); });
$("code-form").addEventListener("submit", (event) => { event.preventDefault(); signIn($("code").value); });
setInterval(() => { if (!$("view-wait").hidden && !task.finished) act("/api/next", {}, ""); }, LOOK_AGAIN_MS);
// Signing in with the Hub happens in another tab: look when this one is seen again.
document.addEventListener("visibilitychange", () => { if (!document.hidden && !$("view-sign-in").hidden) enter(); });

const linked = new URLSearchParams(location.hash.slice(1)).get("code");
history.replaceState(null, "", location.pathname + location.search); // no code in the history
if (linked) signIn(linked);
else enter();
