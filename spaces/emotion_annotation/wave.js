"use strict";
// The recording as a picture. The style sheet colours it, and what has been played of it.

const wave = { picture: document.getElementById("wave") };

wave.load = async (clip) => {
  let outline = "";
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
    outline = peaks.map((peak, column) => {
      const high = Math.max(2, (92 * peak) / most), wide = 240 / columns;
      return `M${(column + 0.15) * wide} ${50 - high / 2}h${0.7 * wide}v${high}h${-0.7 * wide}z`;
    }).join("");
  } catch { /* what cannot be drawn can still be heard, or reported */ }
  wave.draw(0);
  for (const path of wave.picture.children) path.setAttribute("d", outline);
};

wave.draw = (share) => wave.picture.style.setProperty("--played", share);
