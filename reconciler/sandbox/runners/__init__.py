"""Shell, Python and Node.js: how a script is started inside the sandbox, and how what it returns comes out again.

Everything a script needs (runner, helper module, its own text) is staged as files; nothing of this package is imported
inside. What comes out is judged as coming from an enemy: the result is JSON between markers nobody can guess.
"""
