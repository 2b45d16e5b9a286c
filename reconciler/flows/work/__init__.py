"""The worker: takes slices that are due, runs them, and keeps what came of it, for as long as the process lives.

::

    worker     starts and stops everything; signals
    floor      on the event loop: which runs go on, which wait (by the rules of execute.lane)
    clerk      a thread that owns the store's connection: claims and results go through it in batches
    claims     what the clerk has claimed; outbound: what waits to be stored; keeping: its housekeeping
    tally      what was counted, for the metrics
    endpoint   /metrics, /healthz and /readyz
    events     what the worker tells whoever reads its log
"""
