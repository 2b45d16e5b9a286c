"""The configs of the built-in actions. Their texts are rendered while the automation runs; scripts are not."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.marks import Checked, Ref, Runtime, Secret
from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.shared import (
    CA_CERT,
    ENV,
    SECRET_ENV,
    CaCert,
    Env,
    HeaderName,
    SecretEnv,
    SecretSource,
    Timeout,
)
from reconciler.kinds.types import DurationType, Text

Rendered = Annotated[str, Runtime()]
RenderedText = Annotated[Text, Runtime()]
RenderedSystem = Annotated[Text, Ref("System"), Runtime()]
RenderedCheck = Annotated[Text, Ref("Check"), Runtime()]
RenderedEnvironment = Annotated[Text, Ref("Environment"), Runtime()]
Severity = Literal["minor", "major", "critical"]

_SYSTEMS = "The systems it is about; none: the system of the trigger."


class Log(Model):
    """Writes a line to the record of the run."""

    message: Rendered = Field(description="The line.", examples=["{{ trigger.payload.systemId }} is down"])
    level: Literal["debug", "info", "warn", "error"] = Field("info", description="How serious it is.")


class Retry(Model):
    """How often, and how long after each other, something is sent that failed for a while: the target can't be reached,
    or answers 408, 425, 429 or 5xx. What it asks for in `Retry-After` is waited for."""

    attempts: int = Field(5, ge=1, le=20, description="How often at most, the first time included.", examples=[3])
    delay: Annotated[int, DurationType(least=100, most=3_600_000)] = Field(
        5_000, description="How long after the first failure; twice as long after each further one.", examples=["2s"]
    )
    max_delay: Annotated[int, DurationType(least=100, most=86_400_000)] = Field(
        600_000, description="How long at most.", examples=["30m"]
    )


_RETRY = "When it is sent again where that failed for a while. After the last attempt it is a dead letter."


class WebhookHeader(Model):
    """One header of the request: with a value in sight, or from a secret."""

    name: HeaderName = Field(description="Its name.", examples=["X-Source"])
    value: Rendered | None = Field(None, description="Its value.", examples=["gitops"])
    value_from: SecretSource | None = Field(None, description="Where its value comes from, instead of `value`.")

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if (self.value is None) == (self.value_from is None):
            raise conflict(
                f"the header {self.name} needs either value or valueFrom", hint="a secret is valueFrom: {secret: NAME}"
            )
        return self


class Webhook(Model):
    """Calls an address."""

    url: Annotated[str, Secret(literal="fine", check="url")] = Field(
        description="The address. It may hold secrets, so it is not rendered.", examples=["${{ secrets.PAGER_URL }}"]
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field("POST", description="The method of the request.")
    headers: list[WebhookHeader] = Field(default_factory=list, description="Headers to send.")
    body: Rendered | None = Field(
        None,
        description="What to send; none: the trigger's payload as JSON.",
        examples=["{{ trigger.payload | json }}"],
    )
    signing_secret: Annotated[Text, Secret()] | None = Field(
        None,
        description="Signs id, time and body by HMAC-SHA256 for `webhook-signature`: any text, or whsec_ and base64.",
        examples=["${{ secrets.PAGER_SIGNING }}"],
    )
    ca_cert: CaCert | None = Field(None, description=CA_CERT, examples=["-----BEGIN CERTIFICATE-----\n..."])
    timeout: Timeout = Field(30_000, description="The time limit. A bare number counts milliseconds.")
    retry: Retry = Field(default_factory=Retry, description=_RETRY, examples=[{"attempts": 3, "delay": "2s"}])


class Notify(Model):
    """Tells people."""

    title: RenderedText = Field(description="The headline.", examples=["{{ trigger.payload.systemId }} is down"])
    body: Rendered = Field("", description="The text below it.", examples=["Since {{ trigger.payload.timestamp }}."])
    importance: Literal["info", "warning", "critical"] = Field("info", description="How loud it is.")
    user_id: RenderedText | None = Field(
        None,
        description="One person, whose addresses are in the secret NOTIFY_<USER>; none: those in NOTIFY_DEFAULT.",
        examples=["alice"],
    )
    url: Annotated[Text, Secret()] | None = Field(
        None, description="The address of a channel, instead of people.", examples=["${{ secrets.CHAT_URL }}"]
    )
    timeout: Timeout = Field(30_000, description="The time limit. A bare number counts milliseconds.")
    retry: Retry = Field(default_factory=Retry, description=_RETRY, examples=[{"attempts": 3, "delay": "2s"}])

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.user_id is not None and self.url is not None:
            raise conflict("goes to a person or to a channel; userId and url exclude each other", "url")
        return self


class RunShell(Model):
    """Runs a shell script in the sandbox. The script is not rendered: the trigger is in its variables."""

    script: Text = Field(description="The script.", examples=['echo "$CHECKSTACK_SYSTEM_NAME"'])
    cwd: Text | None = Field(None, description="Where it starts; none: a folder of its own.", examples=["/tmp"])
    env: Env = Field(default_factory=dict, description=ENV, examples=[{"LIMIT": "90"}])
    secret_env: SecretEnv = Field(
        default_factory=dict, description=SECRET_ENV, examples=[{"TOKEN": "${{ secrets.DEPLOY_TOKEN }}"}]
    )
    timeout: Timeout = Field(30_000, description="The time limit. A bare number counts milliseconds.")


class RunScript(Model):
    """Runs a Python or Node.js script in the sandbox. The script is not rendered: `context` holds the trigger."""

    language: Literal["python", "node"] = Field("python", description="The language of the script.")
    script: Text = Field(description="The script; what it returns is its result.", examples=["return {'hour': 3}"])
    env: Env = Field(default_factory=dict, description=ENV, examples=[{"LIMIT": "90"}])
    secret_env: SecretEnv = Field(
        default_factory=dict, description=SECRET_ENV, examples=[{"TOKEN": "${{ secrets.API_TOKEN }}"}]
    )
    timeout: Timeout = Field(30_000, description="The time limit. A bare number counts milliseconds.")


class IncidentCreate(Model):
    """Opens an incident; later blocks read it as `artifacts.<id>.incident`."""

    PRODUCES: ClassVar[str] = "incident"

    title: RenderedText = Field(description="The headline.", examples=["{{ trigger.payload.systemId }} is down"])
    description: Rendered | None = Field(None, description="What is known.", examples=["Orders are slow since noon."])
    severity: Severity = Field("major", description="How bad it is.")
    systems: list[RenderedSystem] = Field(default_factory=list, description=_SYSTEMS, examples=[["orders-api"]])


class IncidentUpdate(Model):
    """Adds to an incident: the one that this automation opened for the same context, unless another is named."""

    incident: RenderedText | None = Field(
        None, description="The incident.", examples=["{{ trigger.payload.incidentId }}"]
    )
    message: RenderedText = Field(description="What is new.", examples=["A new release is being rolled out."])
    status: Literal["investigating", "identified", "monitoring"] | None = Field(None, description="Where it stands.")
    severity: Severity | None = Field(None, description="How bad it is now.")


class IncidentResolve(Model):
    """Closes an incident: the one that this automation opened for the same context, unless another is named."""

    incident: RenderedText | None = Field(
        None, description="The incident.", examples=["{{ trigger.payload.incidentId }}"]
    )
    message: Rendered | None = Field(None, description="How it ended.", examples=["The release was taken back."])


class MaintenanceStart(Model):
    """Begins a maintenance; later blocks read it as `artifacts.<id>.maintenance`."""

    PRODUCES: ClassVar[str] = "maintenance"

    title: RenderedText = Field(description="The headline.", examples=["Deploying {{ trigger.payload.body.version }}"])
    description: Rendered | None = Field(
        None, description="What is done.", examples=["The database is moved to a larger disk."]
    )
    systems: list[RenderedSystem] = Field(default_factory=list, description=_SYSTEMS, examples=[["orders-api"]])
    duration: Annotated[int, DurationType(least=60_000)] | None = Field(
        None, description="When it ends by itself; none: when it is ended.", examples=["30m"]
    )


class MaintenanceEnd(Model):
    """Ends a maintenance: the one that this automation began for the same context, unless another is named."""

    maintenance: RenderedText | None = Field(
        None, description="The maintenance.", examples=["{{ trigger.payload.maintenanceId }}"]
    )
    message: Rendered | None = Field(None, description="How it went.", examples=["Done, without a hitch."])


class CheckRunNow(Model):
    """Runs a check of a system at once."""

    system: RenderedSystem = Field(description="The system.", examples=["{{ trigger.payload.systemId }}"])
    check: RenderedCheck = Field(description="The check.", examples=["orders-http"])
    environment: RenderedEnvironment | None = Field(
        None, description="One environment; none: each.", examples=["production"]
    )


class CheckPause(Model):
    """Stops running a check of a system until it is resumed."""

    system: RenderedSystem = Field(description="The system.", examples=["orders-api"])
    check: RenderedCheck = Field(description="The check.", examples=["orders-http"])
    environment: RenderedEnvironment | None = Field(
        None, description="One environment; none: each.", examples=["production"]
    )
    duration: Annotated[int, DurationType(least=1000)] | None = Field(
        None, description="When it resumes by itself; none: when it is resumed.", examples=["1h"]
    )


class CheckResume(Model):
    """Runs a paused check of a system again."""

    system: RenderedSystem = Field(description="The system.", examples=["orders-api"])
    check: RenderedCheck = Field(description="The check.", examples=["orders-http"])
    environment: RenderedEnvironment | None = Field(
        None, description="One environment; none: each.", examples=["production"]
    )


class GithubIssue(Model):
    """Opens an issue on GitHub; later blocks read it as `artifacts.<id>.issue`."""

    PRODUCES: ClassVar[str] = "issue"

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")] = Field(
        description="Owner and name.", examples=["example/orders"]
    )
    title: RenderedText = Field(description="The headline.", examples=["{{ trigger.payload.systemId }} is down"])
    body: Rendered = Field("", description="The text below it.", examples=["Since {{ trigger.payload.timestamp }}."])
    labels: list[Rendered] = Field(default_factory=list, description="Labels to put on it.", examples=[["outage"]])
    assignees: list[Text] = Field(default_factory=list, description="Whom to assign it to.", examples=[["alice"]])
    token: Annotated[str, Secret()] = Field(description="The token to use.", examples=["${{ secrets.GITHUB_TOKEN }}"])
    api_url: Annotated[str, Checked("url")] = Field(
        "https://api.github.com", description="The address of the API, for servers of one's own."
    )
    ca_cert: CaCert | None = Field(None, description=CA_CERT, examples=["-----BEGIN CERTIFICATE-----\n..."])
    retry: Retry = Field(default_factory=Retry, description=_RETRY, examples=[{"attempts": 3, "delay": "2s"}])


class GitlabIssue(Model):
    """Opens an issue on GitLab; later blocks read it as `artifacts.<id>.issue`."""

    PRODUCES: ClassVar[str] = "issue"

    project: Text = Field(description="The path of the project, or its number as text.", examples=["example/orders"])
    title: RenderedText = Field(description="The headline.", examples=["{{ trigger.payload.systemId }} is down"])
    body: Rendered = Field("", description="The text below it.", examples=["Since {{ trigger.payload.timestamp }}."])
    labels: list[Rendered] = Field(default_factory=list, description="Labels to put on it.", examples=[["outage"]])
    token: Annotated[str, Secret()] = Field(description="The token to use.", examples=["${{ secrets.GITLAB_TOKEN }}"])
    api_url: Annotated[str, Checked("url")] = Field(
        "https://gitlab.com/api/v4", description="The address of the API, for servers of one's own."
    )
    ca_cert: CaCert | None = Field(None, description=CA_CERT, examples=["-----BEGIN CERTIFICATE-----\n..."])
    retry: Retry = Field(default_factory=Retry, description=_RETRY, examples=[{"attempts": 3, "delay": "2s"}])
