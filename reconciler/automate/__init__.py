"""Automations: what starts them, what has to hold, and the walk over their actions.

::

    port        the nouns, and what a walk needs from outside
    payloads    what each event tells, with nulls for what it lacks
    received    what a webhook brought; signatures: from whom
    triggers    from what happened to what fires: definitions, gates (window, dwell), clocks, remembering
    context     what expressions see; rendering: their values, and the sentence where there is none
    conditions  and, or, not, expressions, numbers, times (daytime), states
    walk        the tree of actions, from where it was left: walker, what each of the blocks does (looping, waiting),
                steps and paths, what a run has to remember (runmemory)
    simulate    the same with nothing done, through a scenario
    windows     planned work that recurs
"""
