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


# What is pressed, by the size of what reacts to a finger: a box and its words are one. Links among
# words are as high as these.
SMALL = """() => [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [role=slider]")]
  .filter((one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
  .filter((one) => !one.disabled && !one.closest("[aria-hidden=true], .unseen, .hidden"))
  .filter((one) => one.matches(".systems a, :not(td a, th a, p > a, li > a, dd > a, footer a)"))
  .map((one) => [one.closest("label") ?? one, one])
  .map(([box, one]) => [box.getBoundingClientRect(), one])
  .filter(([box]) => box.width > 1 && (box.width < 43.5 || box.height < 43.5))
  .map(([box, one]) => [box.width, box.height, one.outerHTML.slice(0, 120)])"""


# One scale of type: the five sizes of look.css.
SIZES = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest("svg"))
  .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((one) => [getComputedStyle(one).fontSize, one.outerHTML.slice(0, 90)])
  .filter(([size]) => ![28, 20, 16, 14, 12].includes(parseFloat(size)))"""


def ill_sized(page: Any) -> list[list[Any]]:
    """What a finger cannot press well (below 44 px of CSS), and text of none of the five sizes.

    Args:
        page: Of Playwright, as narrow as a phone.
    """
    _wait_until_still(page)
    return [*page.evaluate(SMALL), *page.evaluate(SIZES)]


# Whether two elements can be told apart where the colours are the system's: by ground, edge or ink.
TOLD = """([one, two]) => {
  const look = (selector) => {
    const style = getComputedStyle(document.querySelector(selector));
    return [style.backgroundColor, style.borderColor, style.borderStyle, style.fill].join();
  };
  return look(one) !== look(two);
}"""


def alike_in_a_contrast_theme(page: Any, *pairs: tuple[str, str]) -> list[tuple[str, str]]:
    """Pairs of selectors that look the same once a browser takes colours away, of those given.

    Args:
        page: Of Playwright.
        *pairs: Of what is chosen, or drawn, and what is not.
    """
    page.emulate_media(forced_colors="active")
    found = [pair for pair in pairs if not page.evaluate(TOLD, pair)]
    page.emulate_media(forced_colors="none")
    return found


# Whether a selector has the focus, and whether one sees where that is: a ring around it, or around
# the label that stands for it. The parts of a player have the browser's.
FOCUS = """(selector) => {
  const one = document.activeElement, label = one.nextElementSibling;
  const ring = (node) => node && getComputedStyle(node).outlineStyle !== "none"
    && parseFloat(getComputedStyle(node).outlineWidth) >= 2;
  const seen = one === document.body || one.matches("h2, audio") || ring(one)
    || label?.matches("label") && ring(label);
  return [one.matches(selector), Boolean(seen), one.outerHTML.slice(0, 120)];
}"""


def tab_to(page: Any, selector: str, most: int = 150) -> None:
    """Presses Tab until an element has the focus; on the way there is always a ring to be seen.

    Args:
        page: Of Playwright.
        selector: Of the element, for CSS.
        most: How often Tab is pressed before that is called too far.
    """
    passed = []
    for _ in range(most):
        page.keyboard.press("Tab")
        there, seen, markup = page.evaluate(FOCUS, selector)
        assert seen, f"no ring around {markup}"
        if there:
            return
        passed.append(markup)
    raise AssertionError(f"Tab does not reach {selector}, but {passed}")
