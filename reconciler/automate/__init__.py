"""Automations: what starts them, what has to hold, and the walk over their actions.

::

    port        the nouns, and what a walk needs from outside
    payloads    what each event tells, with nulls for what it lacks
    triggers    filter, window, dwell; clocks
    conditions  and, or, not, expressions, numbers, times, states
    walk        the tree of actions, from where it was left
"""
