"use strict";
// The page's data: heads with the mean of their reference clips, and clips with the scores of each
// window in thousandths of the scale from 0 to 10. Text is only ever set as text.
const data = JSON.parse(document.getElementById("data").textContent);
const get = (id) => document.getElementById(id);
const heads = data.heads;
const audio = document.querySelector("audio");
const LIST = 50, TOP = 3, ROWS = 12;
let order = { key: "mean", down: true }, allEmotions = false, shown = LIST;

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.append(...breakable(String(text)));
  return node;
}

// A long name breaks after a slash, before it breaks inside a word.
function breakable(text) {
  return text.split(/(?<=\/)/).flatMap((part, i) => i ? [document.createElement("wbr"), part] : [part]);
}

function clock(seconds) {
  const tenths = Math.round(10 * seconds), s = Math.floor(tenths / 10);
  const pad = (n) => String(n).padStart(2, "0");
  const tail = pad(s % 60) + (tenths % 10 && s < 60 ? "." + (tenths % 10) : "");
  const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  return h ? `${h}:${pad(m)}:${tail}` : `${m}:${tail}`;
}

const one = (value) => (value / 1000).toFixed(1);

// What is asked of a clip again and again: the peak of each head, and the peak's window.
for (const [number, clip] of data.clips.entries()) {
  clip.number = number;
  if (clip.error) continue;
  clip.peak = heads.map((_, h) => Math.max(...clip.scores.map((row) => row[h])));
  clip.at = heads.map((_, h) => clip.scores.findIndex((row) => row[h] === clip.peak[h]));
}
const scored = data.clips.filter((clip) => !clip.error);
const longClips = scored.some((clip) => clip.spans.length > 1);

function rail(value, usual, peak) {
  const node = make("div", "rail"), fill = make("span");
  if (peak > value) {
    const pale = make("span", "peak");
    pale.style.width = `${peak / 100}%`;
    node.append(pale);
  }
  fill.style.width = `${value / 100}%`;
  node.append(fill);
  if (usual !== undefined && usual !== null) {
    const tick = make("i");
    tick.style.left = `calc(${usual / 100}% - 1px)`;
    node.append(tick);
  }
  return node;
}

function play(clip, window, what) {
  document.querySelectorAll("#clips li.now").forEach((node) => node.classList.remove("now"));
  document.querySelector(`#clips li[data-number="${clip.number}"]`)?.classList.add("now");
  const start = clip.spans[window][0];
  get("player").hidden = false;
  get("cannot").hidden = true;
  get("playing").textContent = clip.name;
  get("moment").textContent = clip.spans.length > 1 || what ? `${what ? what + ", " : ""}from ${clock(start)}` : "";
  const seek = () => { audio.currentTime = start; audio.play().catch(() => {}); };
  if (audio.dataset.number === String(clip.number) && audio.readyState > 0) return seek();
  audio.dataset.number = clip.number;
  audio.src = data.sources[clip.source];
  audio.addEventListener("loadedmetadata", seek, { once: true });
  audio.load();
}
audio.addEventListener("error", () => { get("cannot").hidden = false; });

function emotionRows() {
  const rows = data.emotions.map((e) => ({ ...e, name: heads[e.head].name, highest: e.best[0].value }));
  const sign = order.down ? -1 : 1;
  return rows.sort((a, b) => order.key === "name"
    ? sign * a.name.localeCompare(b.name) : sign * (a[order.key] - b[order.key]));
}

function drawEmotions() {
  const body = document.querySelector("#emotions tbody"), rows = emotionRows();
  body.replaceChildren();
  for (const row of allEmotions ? rows : rows.slice(0, ROWS)) {
    const tr = make("tr"), name = make("th"), mean = make("td"), where = make("td");
    name.scope = "row";
    const choose = make("button", "name-button", row.name);
    choose.title = `Sort the clips by ${row.name}`;
    choose.onclick = () => { get("sort").value = `h${row.head}`; draw(true); get("clips-title").scrollIntoView(); };
    name.append(choose);
    const meter = make("div", "meter");
    meter.append(rail(row.mean, heads[row.head].usual), make("b", "", one(row.mean)));
    mean.append(meter);
    const list = make("div", "best");
    for (const best of row.best) {
      const clip = data.clips[best.clip], at = clock(clip.spans[best.window][0]);
      const link = make("button", "play", clip.name.split("/").pop());
      if (clip.spans.length > 1) link.append(` at ${at}`);
      link.append(" ", make("b", "", one(best.value)));
      link.title = clip.name + (best.rank === null ? "" : `: above ${percent(best.rank)} of the reference clips`);
      link.onclick = () => play(clip, best.window, row.name);
      list.append(link);
    }
    where.append(list);
    tr.append(name, mean, where);
    body.append(tr);
  }
  document.querySelectorAll("#emotions thead th").forEach((th) => {
    const key = th.querySelector("button")?.dataset.key;
    if (key) th.setAttribute("aria-sort", key !== order.key ? "none" : order.down ? "descending" : "ascending");
  });
  get("all-emotions").hidden = rows.length <= ROWS;
  get("all-emotions").textContent = allEmotions ? `Show ${ROWS}` : `Show all ${rows.length}`;
}

const percent = (rank) => rank >= 100 ? "all" : `${Math.min(99, rank)} %`;

function scoreLine(clip, head) {
  const line = make("button", "score"), window = clip.at[head], long = clip.spans.length > 1;
  const label = make("span", "", heads[head].name);
  const at = clock(clip.spans[window][0]), mean = clip.mean[head], peak = clip.peak[head];
  if (long) label.append(make("small", "", `up to ${one(peak)} at ${at}`));
  const rank = clip.ranks ? `, above ${percent(clip.ranks[head])} of the reference clips` : "";
  const said = long ? `${one(mean)} of 10, mean over the windows; highest ${one(peak)}` : `${one(mean)} of 10`;
  line.title = `${heads[head].name} ${said}${rank}: play from ${at}`;
  line.append(label, rail(mean, heads[head].usual, peak), make("b", "", one(mean)));
  line.onclick = () => play(clip, window, heads[head].name);
  return line;
}

// What the mean would hide: where one emotion rises most above it, as on the screen.
function riser(clip) {
  let most = { rise: -1 };
  for (const { head } of data.emotions) {
    const rise = clip.peak[head] - clip.mean[head];
    if (rise > most.rise) most = { rise, head };
  }
  const { head } = most, window = clip.at[head], [start, end] = clip.spans[window];
  const line = make("button", "play rises", `Rises most: ${heads[head].name} ${one(clip.peak[head])}`);
  line.append(` at ${clock(start)}–${clock(end)}, on the whole ${one(clip.mean[head])}`);
  line.onclick = () => play(clip, window, heads[head].name);
  return line;
}

function course(clip, head) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const length = clip.duration, box = make("div", "course");
  svg.setAttribute("viewBox", `0 0 ${length} 10000`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${heads[head].name} over time, highest ${one(clip.peak[head])} at ${clock(clip.spans[clip.at[head]][0])}`);
  // A moment has the score of the window whose middle is nearest.
  const middles = clip.spans.map(([a, b]) => (a + b) / 2);
  const edges = [0, ...middles.slice(1).map((m, i) => (m + middles[i]) / 2), length];
  clip.scores.forEach((row, i) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("x", edges[i]);
    rect.setAttribute("width", edges[i + 1] - edges[i]);
    rect.setAttribute("y", 10000 - row[head]);
    rect.setAttribute("height", row[head]);
    svg.append(rect);
  });
  svg.onclick = (event) => {
    const at = (event.offsetX / svg.clientWidth) * length;
    const nearest = middles.reduce((best, m, i) => Math.abs(m - at) < Math.abs(middles[best] - at) ? i : best, 0);
    play(clip, nearest, heads[head].name);
  };
  const foot = make("p");
  foot.append(make("span", "", "0:00"), make("span", "", `${heads[head].name} over time, 0 to 10`), make("span", "", clock(length)));
  box.append(svg, foot);
  return box;
}

function card(clip, head) {
  const item = make("li");
  item.dataset.number = clip.number;
  const about = make("div");
  item.append(about);
  if (clip.error) {
    about.append(make("span", "name", clip.name));
    item.append(make("p", "wrong", clip.error));
    return item;
  }
  const name = make("button", "name play", clip.name);
  name.onclick = () => play(clip, 0, "");
  const long = clip.spans.length > 1;
  about.append(name, make("p", "quiet", clock(clip.duration) + (long ? `, mean of ${clip.spans.length} windows` : "")));
  if (clip.quality.length) about.append(make("p", "doubt", `Doubtful: ${clip.quality.join(", ")}`));
  const best = data.emotions.map((e) => e.head).sort((a, b) => clip.mean[b] - clip.mean[a]);
  const lines = head === null ? best.slice(0, TOP) : [head, ...best.filter((h) => h !== head).slice(0, TOP - 1)];
  const scores = make("div", "scores");
  scores.append(...lines.map((h) => scoreLine(clip, h)));
  item.append(scores);
  if (long) {
    scores.append(riser(clip));
    item.append(course(clip, lines[0]));
  }
  return item;
}

function draw(fresh) {
  if (fresh) shown = LIST;
  const sort = get("sort").value, show = get("show").value;
  const words = get("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const head = sort.startsWith("h") ? Number(sort.slice(1)) : null;
  let found = data.clips.filter((clip) => words.every((word) => clip.name.toLowerCase().includes(word)));
  if (show === "sound") found = found.filter((clip) => !clip.error && !clip.quality.length);
  else if (show === "failed") found = found.filter((clip) => clip.error);
  else if (show) found = found.filter((clip) => !clip.error && clip.quality.includes(show.slice(1)));
  if (head !== null) found.sort((a, b) => (b.peak?.[head] ?? -1) - (a.peak?.[head] ?? -1));
  else if (sort === "name") found.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  else if (sort === "length") found.sort((a, b) => b.duration - a.duration);
  get("clips").replaceChildren(...found.slice(0, shown).map((clip) => card(clip, head)));
  get("more").hidden = found.length <= shown;
  const order = head !== null && longClips ? `, by the strongest window in ${heads[head].name}` : "";
  get("found").textContent = (found.length === data.clips.length
    ? `${found.length} clip${found.length === 1 ? "" : "s"}` : `${found.length} of ${data.clips.length} clips`) + order;
}

function option(select, value, text) {
  const node = make("option", "", text);
  node.value = value;
  select.append(node);
}

option(get("sort"), "", "order of the file");
option(get("sort"), "name", "name");
option(get("sort"), "length", "length");
for (const { head, name } of data.emotions.map((e) => ({ head: e.head, name: heads[e.head].name }))
  .sort((a, b) => a.name.localeCompare(b.name))) option(get("sort"), `h${head}`, name);
if (data.sort !== null) get("sort").value = `h${data.sort}`;
const counts = new Map();
for (const clip of scored) for (const word of clip.quality) counts.set(word, (counts.get(word) ?? 0) + 1);
option(get("show"), "", `all ${data.clips.length}`);
if (counts.size) option(get("show"), "sound", `not doubtful (${scored.filter((c) => !c.quality.length).length})`);
for (const [word, n] of [...counts].sort((a, b) => b[1] - a[1])) option(get("show"), `q${word}`, `${word} (${n})`);
if (scored.length < data.clips.length) option(get("show"), "failed", `failed (${data.clips.length - scored.length})`);
get("clips-note").textContent = "The strongest emotions of each clip"
  + (longClips || data.aggregated ? `, by ${data.rule}` : "") + (longClips ? "; pale: up to the strongest window." : ".");
get("emotions-note").textContent = data.reference
  ? `Bar: mean over the clips. Line: mean of the model's ${data.reference.toLocaleString("en")} reference clips. Emotions differ in base rate: what stands out against the line says more than what is high.`
  : "Bar: mean over the clips. Emotions differ in base rate: compare one across clips rather than with another.";
document.querySelectorAll("#emotions thead button").forEach((button) => {
  button.onclick = () => {
    const key = button.dataset.key;
    order = { key, down: key === order.key ? !order.down : key !== "name" };
    drawEmotions();
  };
});
get("all-emotions").onclick = () => { allEmotions = !allEmotions; drawEmotions(); };
get("more").onclick = () => { shown += LIST; draw(false); };
get("controls").onsubmit = (event) => event.preventDefault();
for (const id of ["search", "sort", "show"]) get(id).oninput = () => draw(true);
drawEmotions();
draw(true);
