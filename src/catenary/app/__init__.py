"""Wiring: settings, and the one place that chooses which adapters stand behind the ports.

Light to import; what a function needs is imported when it is called.
"""

from catenary.app.settings import Settings

__all__ = ["Settings"]
