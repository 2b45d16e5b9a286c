"""What automations do: one module for each action or family of them, behind :func:`perform.perform`.

Whatever is done is bounded by the account that the automation runs as, looked up anew for each action. What leaves this
host is written down before it is sent, under a key that is the same for every attempt.
"""
