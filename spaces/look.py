"""What every Space looks like: Gradio's theme in the colours of `look.css`, and the page's head.

Each Space has these files as links. Nothing is fetched from elsewhere: fonts are the system's.
"""

from html import escape
from pathlib import Path

import gradio as gr

HERE = Path(__file__).parent
_COLOURS = {
    "background_fill_primary": "card",
    "background_fill_secondary": "ground",
    "block_background_fill": "card",
    "block_border_color": "line",
    "block_info_text_color": "soft",
    "block_label_background_fill": "card",
    "block_label_text_color": "ink",
    "block_title_text_color": "ink",
    "body_background_fill": "ground",
    "body_text_color": "ink",
    "body_text_color_subdued": "soft",
    "border_color_primary": "line",
    "button_primary_background_fill": "accent",
    "button_primary_border_color": "accent",
    "button_primary_border_color_hover": "accent-over",
    "button_primary_background_fill_hover": "accent-over",
    "button_primary_text_color": "on-accent",
    "button_secondary_background_fill": "card",
    "button_secondary_border_color": "strong-line",
    "button_secondary_border_color_hover": "accent",
    "button_secondary_background_fill_hover": "wash",
    "button_secondary_text_color": "ink",
    "checkbox_background_color": "card",
    "checkbox_background_color_selected": "accent",
    "checkbox_border_color": "strong-line",
    "checkbox_border_color_selected": "accent",
    "checkbox_label_background_fill": "card",
    "checkbox_label_background_fill_hover": "wash",
    "checkbox_label_background_fill_selected": "wash",
    "code_background_fill": "wash",
    "input_background_fill": "card",
    "input_border_color": "strong-line",
    "input_placeholder_color": "soft",
    "link_text_color": "accent",
    "link_text_color_hover": "accent-over",
    "link_text_color_visited": "accent",
    "table_even_background_fill": "card",
    "table_odd_background_fill": "ground",
    "table_text_color": "ink",
}
# In the dark once more: Gradio writes its variables where the dark begins, and they are resolved
# where they are written.
_SET = {name: f"var(--{colour})" for name, colour in _COLOURS.items()}
_SET |= {f"{name}_dark": value for name, value in _SET.items()}

THEME = gr.themes.Default(
    primary_hue="teal",
    neutral_hue="slate",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(
    **_SET,
    button_border_width="1px",
    button_border_width_dark="1px",
    button_large_text_weight="500",
    # Plain labels instead of pills.
    block_title_background_fill="none",
    block_title_padding="0",
    block_title_border_width="0",
    block_label_border_width="0",
    block_label_border_width_dark="0",
    block_label_shadow="none",
)


# Gradio says this to screen readers when something is done, and has no word for it in any language.
WORDS = gr.I18n(en={"common.complete": "Done"})


def head(script: str = "") -> str:
    """The look's style sheet and script, and a script of the page's own, for `launch(head=...)`."""
    style = (HERE / "look.css").read_text("utf-8")
    return f"<style>{style}</style><script>{(HERE / 'look.js').read_text('utf-8')}{script}</script>"


def masthead(title: str, line: str) -> str:
    """The top of a page: its name, one line about it, and the icon for the theme."""
    return (
        f'<div class="masthead"><div><h1>{escape(title)}</h1><p>{escape(line)}</p></div>'
        f"{SWITCH}</div>"
    )


SWITCH = (
    '<button type="button" class="theme-switch" aria-label="Light or dark" title="Light or dark">'
    '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="9" fill="none" '
    'stroke="currentColor" stroke-width="2"/><path d="M12 3a9 9 0 0 1 0 18z" fill="currentColor"/>'
    "</svg></button>"
)
