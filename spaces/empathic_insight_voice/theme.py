"""The page's look: plain labels, the system's fonts, and contrast of at least 4.5 : 1 (WCAG AA)."""

import gradio as gr

# Fonts of the system: nothing is fetched from elsewhere.
THEME = gr.themes.Default(
    primary_hue="teal",
    neutral_hue="slate",
    font=["system-ui", "sans-serif"],
    font_mono=["monospace"],
).set(
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_title_background_fill="none",
    block_title_text_color="*body_text_color",
    block_title_text_color_dark="*body_text_color",
    block_title_padding="0",
    block_title_border_width="0",
    block_label_background_fill="*block_background_fill",
    block_label_background_fill_dark="*block_background_fill",
    block_label_text_color="*body_text_color",
    block_label_text_color_dark="*body_text_color",
    block_label_border_width="0",
    block_label_border_width_dark="0",
    block_label_shadow="none",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    input_placeholder_color="*neutral_500",
    input_placeholder_color_dark="*neutral_300",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_hover_dark="*primary_800",
    button_primary_text_color="white",
    button_primary_text_color_dark="white",
    link_text_color="*primary_700",
    link_text_color_dark="*primary_300",
    link_text_color_hover="*primary_800",
    link_text_color_hover_dark="*primary_200",
    link_text_color_visited="*primary_700",
    link_text_color_visited_dark="*primary_300",
)
