"""How tiles are folded, merged and read; ``../tiles.py`` is the way in."""
