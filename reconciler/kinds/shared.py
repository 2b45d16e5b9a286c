"""Fields that several configs share: time limits, script variables, the source of a secret value."""

from typing import Annotated

from pydantic import Field

from reconciler.kinds.marks import Checked, Secret, SecretName, Templatable, TemplateText
from reconciler.kinds.modelling import Model
from reconciler.kinds.types import SECRET_NAME_PATTERN, DurationType, EnvName

Timeout = Annotated[int, DurationType(number="ms", least=100, most=300_000)]
"""A time limit of 100 ms to 5 minutes; a bare number counts milliseconds."""

Host = Annotated[str, Templatable("host")]
Port = Annotated[int | TemplateText, Templatable("port")]
Word = Annotated[str, Templatable("word")]
"""Text that isn't blank, such as the name of a user or a database."""
Password = Annotated[str, Secret()]

CaCert = Annotated[str, Checked("certificate")]
"""Certificates of authorities as PEM."""

CA_CERT = "Certificates of authorities as PEM, to trust beside those that the host trusts where the server is verified."
RUN_TIMEOUT = "The time limit of the whole run. A bare number counts milliseconds."

HEADER_NAME_PATTERN = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
HeaderName = Annotated[str, Field(pattern=HEADER_NAME_PATTERN)]

Env = dict[EnvName, str]
SecretEnv = dict[EnvName, Annotated[str, Secret(literal="fine")]]

ENV = "Variables for the script, not rendered: the fields of the environment are there as `CHECKSTACK_ENV_*` anyway."
SECRET_ENV = (
    "Variables for the script that hold secrets; they win over `env`, and their values are masked in all output."
)


class SecretSource(Model):
    """A value that comes from a secret."""

    secret: Annotated[str, Field(pattern=SECRET_NAME_PATTERN, max_length=63), SecretName()] = Field(
        description="The name of the secret.", examples=["PROBE_KEY"]
    )
