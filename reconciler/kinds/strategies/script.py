"""The strategy script and its collectors: a shell script, or a script in Python or Node.js."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.modelling import Model
from reconciler.kinds.shared import ENV, RUN_TIMEOUT, SECRET_ENV, Env, SecretEnv, Timeout
from reconciler.kinds.types import Text

_SECRET_ENV_EXAMPLES = [{"TOKEN": "${{ secrets.PROBE_TOKEN }}"}]
_LIMIT = "The time limit of the script. A bare number counts milliseconds."


class ScriptConfig(Model):
    """How long the whole run may take. The sandbox is the operator's, not the document's."""

    timeout: Timeout = Field(30_000, description=RUN_TIMEOUT)


class ScriptExecute(Model):
    """Runs a shell script in the sandbox. The script is not rendered: environment and system are in its variables."""

    script: Annotated[str, Field(min_length=1, max_length=1_000_000)] = Field(
        description="The script, for `sh`.", examples=['test "$(df --output=pcent / | tail -1 | tr -dc 0-9)" -lt 90']
    )
    cwd: Text | None = Field(None, description="Where it starts; none: a folder of its own.", examples=["/tmp"])
    env: Env = Field(default_factory=dict, description=ENV, examples=[{"LIMIT": "90"}])
    secret_env: SecretEnv = Field(default_factory=dict, description=SECRET_ENV, examples=_SECRET_ENV_EXAMPLES)
    timeout: Timeout = Field(30_000, description=_LIMIT)


class InlineScript(Model):
    """Runs a Python or Node.js script in the sandbox; what it returns is the result."""

    language: Literal["python", "node"] = Field("python", description="The language of the script.")
    script: Annotated[str, Field(min_length=1, max_length=1_000_000)] = Field(
        description="The script. It may return nothing, true or false, a number, or {success, message, value}.",
        examples=["return {'success': True, 'value': 3}"],
    )
    env: Env = Field(default_factory=dict, description=ENV, examples=[{"LIMIT": "90"}])
    secret_env: SecretEnv = Field(default_factory=dict, description=SECRET_ENV, examples=_SECRET_ENV_EXAMPLES)
    timeout: Timeout = Field(30_000, description=_LIMIT)
