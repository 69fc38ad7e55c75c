"""Torch modules, and what is known of them: their symmetries, and how two are laid side by side."""
