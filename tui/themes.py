"""Two themes of ours, beside those that Textual has. Their colours differ in brightness too, so all can tell them."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="tracerd",
    primary="#56B4E9",
    secondary="#0072B2",
    accent="#F0E442",
    warning="#E69F00",
    error="#FF7B47",
    success="#2FC79A",
    foreground="#D8DEE6",
    background="#0B0F14",
    surface="#11171E",
    panel="#1A222C",
    dark=True,
    variables={"footer-key-foreground": "#56B4E9", "input-selection-background": "#0072B2 60%"},
)

LIGHT = Theme(
    name="tracerd-light",
    primary="#005A8C",
    secondary="#0072B2",
    accent="#7A5C00",
    warning="#8F5A00",
    error="#B23A00",
    success="#00694B",
    foreground="#1B2430",
    background="#FBFCFD",
    surface="#F1F4F7",
    panel="#E2E8EE",
    dark=False,
    variables={"footer-key-foreground": "#005A8C", "input-selection-background": "#56B4E9 50%"},
)

THEMES = (DARK, LIGHT)
