"""Markup: tags stay, and the text between them is translated."""
