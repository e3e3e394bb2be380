// A recording in, 40 scores out, all of it on this device.
//
// The graph in model/ takes samples at 16 kHz and does all that Python does: log-mel features, the
// cut to the speech, its level, encoder and heads. What is left to do here is to decode, to resample
// as Python does, and to show.

const RATE = 16_000;
const MOST_S = 600;
const MOST_RECORDED_S = 60;
const at = (id) => document.getElementById(id);
let turn = 0; // of the recording that counts: the last one given

// The model -----------------------------------------------------------------------------------------

let model;
const ready = () => (model ??= load().catch((error) => { model = undefined; throw error; }));

async function load() {
  const parts = {};
  const show = (name) => (got, total) => {
    parts[name] = [got, total];
    const [all, of] = [0, 1].map((i) => Object.values(parts).reduce((sum, part) => sum + part[i], 0));
    if (Object.keys(parts).length === 1) return progress(null, "Loading the model");
    progress(all / of, `Loading the model: ${(all / 1e6).toFixed(0)} of ${(of / 1e6).toFixed(0)} MB`);
  };
  const [ort, about, weights, wasm] = await Promise.all([
    import("./runtime/ort.wasm.min.mjs"),
    fetched("model/model.json").then((answer) => answer.json()),
    download("model/model.onnx", show("model")),
    download("runtime/ort-wasm-simd-threaded.wasm", show("runtime")),
  ]);
  progress(null, "Starting the model");
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.wasm.wasmPaths = new URL("runtime/", document.baseURI).href;
  ort.env.wasm.proxy = true; // in a thread of its own: the page stays alive
  const session = await ort.InferenceSession.create(weights);
  return { ort, about, session };
}

async function fetched(path) {
  const answer = await fetch(path).catch(() => {
    throw new Error("No connection: this page needs one until its model has come. Try again");
  });
  if (!answer.ok) throw new Error(`${path} is not there (HTTP ${answer.status}): was the page built?`);
  return answer;
}

async function download(path, show) {
  const answer = await fetched(path);
  const total = Number(answer.headers.get("content-length"));
  const chunks = [];
  let got = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    got += value.length;
    show(got, Math.max(total, got)); // a packed answer is shorter than what it holds
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** The mean score of each head over windows, which count by their length. */
async function score(samples, goesOn) {
  const { ort, about, session } = await ready();
  const { max_samples: most, min_samples: least, min_tail_s: tail_s } = about.input;
  if (samples.length < least) throw new Error("This is too short: nothing to score");
  if (!samples.some((sample) => sample)) throw new Error("This is digital silence: nothing to score");
  const windows = [];
  for (let start = 0; start < samples.length; start += most) {
    const part = samples.slice(start, start + most);
    if (!start || part.length >= tail_s * RATE) windows.push(part); // as in Python
  }
  const sums = about.heads.map(() => 0);
  let total = 0;
  for (const [i, part] of windows.entries()) {
    progress(windows.length > 1 ? i / windows.length : null, `Scoring ${clock(samples.length)}`);
    const { length } = part; // the samples themselves move to the other thread
    const input = new ort.Tensor("float32", part, [1, length]);
    const { scores } = await session.run({ waveform: input });
    if (!goesOn()) return null;
    scores.data.forEach((value, head) => { sums[head] += value * length; });
    total += length;
  }
  return about.heads.map((head, i) => ({ ...head, score: sums[i] / total }));
}

// Sound ---------------------------------------------------------------------------------------------

/** Encoded bytes to one channel at 16 kHz. */
async function decode(bytes) {
  // At its own rate where the header tells it, since browsers' resampling is coarse; else at one
  // that loses nothing of what is below 8 kHz.
  const rate = ownRate(new DataView(bytes)) ?? 48_000;
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch {
    throw new Error("This browser cannot read that as sound. WAV, MP3, M4A, FLAC and Ogg mostly work");
  }
  if (sound.duration > MOST_S) throw new Error(`At most ${MOST_S / 60} minutes: please cut it`);
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
    const samples = sound.getChannelData(channel);
    for (let i = 0; i < mono.length; i += 1) mono[i] += samples[i] / sound.numberOfChannels;
  }
  return resample(mono, rate);
}

/** Rate in Hz as a WAV or FLAC header states it, if a browser can decode at it. */
function ownRate(view) {
  const text = (start) => String.fromCharCode(...new Uint8Array(view.buffer, start, 4));
  let rate;
  if (view.byteLength > 44 && text(0) === "fLaC") rate = view.getUint32(18) >>> 12;
  if (view.byteLength > 44 && text(0) === "RIFF") {
    for (let chunk = 12; chunk + 16 < view.byteLength && !rate;) {
      if (text(chunk) === "fmt ") rate = view.getUint32(chunk + 12, true);
      const size = view.getUint32(chunk + 4, true);
      chunk += 8 + size + (size % 2);
    }
  }
  return rate >= 8_000 && rate <= 96_000 ? rate : undefined;
}

// A sinc under a Kaiser window, as soxr's "HQ", which Python uses: 120 dB, and these three numbers
// fitted to what it does to sines from 48 kHz (1e-5 apart; from 22.05 and 44.1 kHz 1e-3).
const CUTOFF = 0.95687; // of half the lower rate
const BETA = 13.07;
const HALF = 96.95; // samples at the lower rate

function resample(samples, rate) {
  if (rate === RATE) return samples;
  const divisor = (function gcd(a, b) { return b ? gcd(b, a % b) : a; })(rate, RATE);
  const [up, down] = [RATE / divisor, rate / divisor];
  const slower = Math.max(1, rate / RATE);
  const cutoff = CUTOFF / slower; // of half the rate
  const half = Math.ceil(HALF * slower);
  const taps = (phase) => Float64Array.from({ length: 2 * half }, (_, i) => {
    const x = i - half + 1 - phase / up;
    const inside = 1 - (x / (HALF * slower)) ** 2;
    const window = inside > 0 ? bessel(BETA * Math.sqrt(inside)) / bessel(BETA) : 0;
    return cutoff * window * (x ? Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x) : 1);
  });
  const phases = [];
  return Float32Array.from({ length: Math.ceil((samples.length * up) / down) }, (_, n) => {
    const phase = (n * down) % up;
    const first = (n * down - phase) / up - half + 1;
    const weights = (phases[phase] ??= taps(phase));
    let sum = 0;
    for (let i = Math.max(0, -first); i < weights.length && first + i < samples.length; i += 1) {
      sum += weights[i] * samples[first + i];
    }
    return sum;
  });
}

/** The modified Bessel function of order 0. */
function bessel(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-12 * sum; k += 1) sum += term *= (x / 2 / k) ** 2;
  return sum;
}

// What is shown -------------------------------------------------------------------------------------

const clock = (samples) => `${(samples / RATE).toFixed(1)} s`;

function say(text, wrong = false) {
  at("status").textContent = text;
  at("status").classList.toggle("wrong", wrong);
}

function progress(share, text) {
  if (recorder) return; // loaded while one speaks
  at("progress").hidden = false;
  if (share === null) at("progress").removeAttribute("value");
  else at("progress").value = share;
  if (text !== at("status").textContent) say(text);
}

/** Scores a blob of encoded sound and shows the result, unless another was given meanwhile. */
async function take(blob, name) {
  const mine = (turn += 1);
  const goesOn = () => mine === turn;
  const start = performance.now();
  at("result").hidden = true;
  URL.revokeObjectURL(at("player").src);
  at("player").src = URL.createObjectURL(blob);
  at("player").hidden = false;
  try {
    const loaded = ready();
    loaded.catch(() => {}); // it is waited for below; a sound that cannot be read comes first
    const samples = await decode(await blob.arrayBuffer());
    await loaded;
    const heads = goesOn() ? await score(samples, goesOn) : null;
    if (!heads) return;
    show(heads);
    say(`${name}, ${clock(samples.length)}: scored in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    document.body.dataset.seconds = (performance.now() - start) / 1000;
  } catch (error) {
    if (goesOn()) say(`${error.message}.`, true);
  } finally {
    if (goesOn()) at("progress").hidden = true;
  }
}

function show(heads) {
  const ranked = heads.sort((a, b) => b.score - a.score);
  at("rows").replaceChildren(...ranked.map((head) => {
    const row = document.createElement("tr");
    const [name, track, number] = ["th", "td", "td"].map((tag) => document.createElement(tag));
    const [low, high] = head.scale;
    const share = Math.min(1, Math.max(0, (head.score - low) / (high - low)));
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.append(document.createElement("i"));
    bar.firstChild.style.width = `${100 * share}%`;
    name.scope = "row";
    name.textContent = head.name;
    number.textContent = head.score.toFixed(2).replace(/^-0\.00$/, "0.00").replace("-", "−");
    row.dataset.score = head.score;
    track.append(bar);
    row.append(name, track, number);
    return row;
  }));
  at("heading").textContent = `Strongest: ${ranked[0].name}`;
  at("result").hidden = false;
  expand(false);
  at("heading").focus({ preventScroll: true });
}

function expand(every) {
  at("rows").classList.toggle("every", every);
  at("all").setAttribute("aria-expanded", every);
  at("all").textContent = every ? "Show the strongest" : `Show all ${at("rows").rows.length}`;
}

// What is given -------------------------------------------------------------------------------------

let recorder;
let asking = false; // whether the browser asks for the microphone: a second press is no second recorder

async function record() {
  if (recorder) return recorder.stop();
  if (asking) return;
  if (!navigator.mediaDevices) {
    return say("Browsers give a microphone to pages on https only: open it there, or choose a file.", true);
  }
  ready().catch(() => {}); // loaded while one speaks
  let stream;
  asking = true;
  try {
    const asIs = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    stream = await navigator.mediaDevices.getUserMedia({ audio: asIs });
  } catch (error) {
    const none = error.name === "NotFoundError"
      ? "There is no microphone: connect one" : "The microphone was refused: allow it for this page";
    return say(`${none}, or choose a file.`, true);
  } finally {
    asking = false;
  }
  turn += 1; // whatever is being scored is not shown any more
  const parts = [];
  recorder = new MediaRecorder(stream);
  const start = performance.now();
  const tick = setInterval(() => {
    const seconds = (performance.now() - start) / 1000;
    at("record").lastElementChild.textContent = `Stop (${seconds.toFixed(0)} s)`;
    if (seconds >= MOST_RECORDED_S) recorder.stop();
  }, 250);
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => {
    clearInterval(tick);
    stream.getTracks().forEach((track) => track.stop());
    const { mimeType } = recorder;
    recorder = undefined;
    at("record").classList.remove("on");
    at("record").lastElementChild.textContent = "Record";
    take(new Blob(parts, { type: mimeType }), "Your recording");
  };
  recorder.start();
  at("result").hidden = at("progress").hidden = at("player").hidden = true;
  at("record").classList.add("on");
  at("record").lastElementChild.textContent = "Stop (0 s)";
  say(`Recording, at most ${MOST_RECORDED_S} s. Press Stop when you are done.`);
}

at("record").onclick = record;
at("file").onchange = () => {
  const [file] = at("file").files;
  if (file) take(file, file.name);
  at("file").value = ""; // the same file may be chosen again
};
at("example").onclick = async () => {
  const mine = (turn += 1);
  ready().catch(() => {});
  try {
    const blob = await (await fetched("example.flac")).blob();
    if (mine === turn) take(blob, "The example"); // unless a file was given while it came
  } catch (error) {
    if (mine !== turn) return;
    say(`${error.message}.`, true);
    at("progress").hidden = true; // of what was being scored, which is not shown any more
  }
};
at("all").onclick = () => expand(at("all").getAttribute("aria-expanded") !== "true");
addEventListener("dragover", (event) => { event.preventDefault(); at("drop").classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("drop").classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) take(file, file.name);
});
