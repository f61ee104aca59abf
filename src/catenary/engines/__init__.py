"""How a plan's steps are run. One folder per engine, with the same file names in each.

Engines work on ports alone: which tables stand behind them is not their business.
"""
