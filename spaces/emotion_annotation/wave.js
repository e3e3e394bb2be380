"use strict";
// The recording as a picture: what has been played is in the colour of the page's buttons.

const wave = { canvas: document.getElementById("wave"), peaks: [] };

wave.load = async (clip) => {
  wave.peaks = [];
  wave.draw(0);
  try {
    const context = new OfflineAudioContext(1, 1, 16000);
    const sound = (await context.decodeAudioData(await clip.arrayBuffer())).getChannelData(0);
    const columns = Math.min(240, sound.length), step = sound.length / columns;
    const peaks = Array.from({ length: columns }, (_, column) => {
      let peak = 0;
      for (let i = Math.floor(column * step); i < (column + 1) * step; i += 1) {
        if (Math.abs(sound[i]) > peak) peak = Math.abs(sound[i]);
      }
      return peak;
    });
    const most = Math.max(...peaks) || 1;
    wave.peaks = peaks.map((peak) => peak / most);
  } catch { /* what cannot be drawn can still be heard, or reported */ }
  wave.draw(0);
};

wave.draw = (share) => {
  const { canvas, peaks } = wave, scale = devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width) return;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const paint = canvas.getContext("2d"), style = getComputedStyle(canvas);
  paint.scale(scale, scale);
  const step = width / (peaks.length || 1);
  peaks.forEach((peak, column) => {
    paint.fillStyle = style.getPropertyValue(column / peaks.length < share ? "--accent" : "--strong-line");
    const high = Math.max(2, peak * (height - 4));
    paint.fillRect(column * step, (height - high) / 2, Math.max(1, step - 1), high);
  });
};
