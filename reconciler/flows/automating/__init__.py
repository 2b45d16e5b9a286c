"""Automations in a worker: a thread of its own beside the runs of checks.

::

    desk       the one thread that talks to the store, and keeps what many runs hand in at once
    happened   rows of the store to events with names
    healths    the health that expressions read
    leading    one worker evaluates triggers, for all
    world      what a walk needs, on the store
    running    every worker goes on with runs
    engine     all of it, from its start to its end
"""
