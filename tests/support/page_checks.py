"""What every page has to keep: contrast, axe's rules, and no width beyond the screen's."""

from pathlib import Path
from typing import Any

WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

# The contrast of what is written with what is behind it, by the formula of WCAG 2; what is
# see-through is as pale as it looks, and an empty field has its placeholder.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((v, i) => i < 3 ? v : v / 255);
  };
  const over = (top, low) => top.slice(0, 3).map((v, i) => v * top[3] + low[i] * (1 - top[3]));
  const ground = (node) => {
    if (!node) return [255, 255, 255];
    const colour = rgba(getComputedStyle(node).backgroundColor);
    return colour[3] === 1 ? colour.slice(0, 3) : over(colour, ground(node.parentElement));
  };
  const light = (rgb) => rgb.map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (one, two) => (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  const opacity = (node) =>
    node ? Number(getComputedStyle(node).opacity) * opacity(node.parentElement) : 1;
  const found = [];
  const measure = (node, text, part) => {
    const low = ground(node), colour = rgba(getComputedStyle(node, part).color);
    colour[3] *= opacity(node);
    found.push([ratio(light(over(colour, low)), light(low)), text]);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    const text = texts.currentNode.data.trim();
    const seen = { opacityProperty: true, visibilityProperty: true };
    if (!text || !node.checkVisibility(seen)) continue;
    if (node.closest(":disabled, .hidden, script, style")) continue;
    measure(node, text);
  }
  for (const field of document.querySelectorAll(":placeholder-shown:enabled"))
    if (field.placeholder && field.checkVisibility())
      measure(field, field.placeholder, "::placeholder");
  return found;
}"""


# Colours between two states belong to neither; what moves for ever is not waited for. The end of
# one fade may begin another.
STILL = """async () => {
  const moving = () => document.getAnimations().filter((one) => one.playState === "running"
    && one.effect.getComputedTiming().endTime !== Infinity);
  while (moving().length)
    await Promise.all(moving().map((one) => one.finished.catch(() => undefined)));
}"""


def _wait_until_still(page: Any) -> None:
    """Waits until nothing fades any more, however slowly: a button is pale until it is enabled."""
    page.evaluate(STILL)


def too_pale(page: Any, least: int) -> list[tuple[float, str]]:
    """Ratio and text of all that WCAG AA calls too pale (below 4.5 : 1).

    Args:
        page: Of Playwright, in the state that is to be judged.
        least: Texts that have to be there, so that an empty page is no success.
    """
    _wait_until_still(page)
    texts = page.evaluate(CONTRAST)
    assert len(texts) >= least, f"only {len(texts)} texts"
    return [(ratio, text) for ratio, text in texts if ratio < 4.5]


def axe_findings(page: Any) -> list[tuple[str, str]]:
    """Rules of level A and AA that axe-core finds broken, each with the first place.

    Args:
        page: Of Playwright, in the state that is to be judged.
    """
    import axe_playwright_python

    if not page.evaluate("Boolean(window.axe)"):
        folder = Path(axe_playwright_python.__file__).parent
        page.evaluate((folder / "axe.min.js").read_text("utf-8"))
    _wait_until_still(page)
    how = {"runOnly": LEVELS, "resultTypes": ["violations"]}
    found = page.evaluate("how => axe.run(document, how)", how)
    return [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found["violations"]]


def dark(page: Any, on: bool = True) -> None:
    """Shows the page in the dark or in the light, as its icon does."""
    page.evaluate("on => themed().classList.toggle('dark', on)", on)
    _wait_until_still(page)
