"""The strategy http and its collector request."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from reconciler.kinds.marks import Checked, Secret, Templatable
from reconciler.kinds.modelling import Model, conflict
from reconciler.kinds.shared import CA_CERT, CaCert, HeaderName, SecretSource, Timeout
from reconciler.kinds.types import Text


class HttpConfig(Model):
    """How requests are sent: time limit, credentials, proxy, and where they must not go."""

    timeout: Timeout = Field(30_000, description="The time limit of the whole run. A bare number counts milliseconds.")
    egress_deny_cidrs: list[Text] = Field(
        default_factory=list,
        description="Networks that requests must not reach, beside link-local and metadata addresses.",
        examples=[["10.0.0.0/8"]],
    )
    auth_type: Literal["none", "basic", "token"] = Field("none", description="The credentials to send.")
    auth_username: Text | None = Field(None, description="The user, for `basic`.", examples=["probe"])
    auth_password: Annotated[str, Secret()] | None = Field(
        None, description="The password, for `basic`.", examples=["${{ secrets.ORDERS_PASSWORD }}"]
    )
    auth_token: Annotated[str, Secret()] | None = Field(
        None, description="The bearer token, for `token`.", examples=["${{ secrets.ORDERS_TOKEN }}"]
    )
    proxy_url: Annotated[str, Templatable("proxy-url")] | None = Field(
        None, description="The proxy to go through.", examples=["http://proxy.example.net:3128"]
    )
    proxy_username: Text | None = Field(None, description="The user at the proxy.", examples=["probe"])
    proxy_password: Annotated[str, Secret()] | None = Field(
        None, description="The password at the proxy.", examples=["${{ secrets.PROXY_PASSWORD }}"]
    )
    ca_cert: CaCert | None = Field(None, description=CA_CERT, examples=["-----BEGIN CERTIFICATE-----\n..."])
    client_cert: Annotated[str, Checked("certificate")] | None = Field(
        None,
        description="The certificate that requests show, as PEM. It is kept from other hosts that a redirect leads to.",
        examples=["-----BEGIN CERTIFICATE-----\n..."],
    )
    client_key: Annotated[str, Secret()] | None = Field(
        None, description="The key of `clientCert`, as PEM.", examples=["${{ secrets.ORDERS_CLIENT_KEY }}"]
    )
    client_key_password: Annotated[str, Secret()] | None = Field(
        None, description="What `clientKey` is encrypted with.", examples=["${{ secrets.ORDERS_KEY_PASSWORD }}"]
    )
    http_version: Literal["1.1", "2"] | None = Field(
        None, description="The version to speak; none: 2 over https where the server speaks it too, else 1.1."
    )

    @field_validator("egress_deny_cidrs")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        from ipaddress import ip_network

        for index, cidr in enumerate(value):
            try:
                ip_network(cidr, strict=False)
            except ValueError as error:
                raise conflict(f"{cidr!r} is no network: {error}", index, code="bad-value") from None
        return value

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.auth_type == "basic":
            for key, value in (("authUsername", self.auth_username), ("authPassword", self.auth_password)):
                if not value:
                    raise conflict(f"authType basic needs {key}", key, code="missing-key")
        if self.auth_type == "token" and not self.auth_token:
            raise conflict("authType token needs authToken", "authToken", code="missing-key")
        if self.proxy_password is not None and not self.proxy_username:
            raise conflict("proxyPassword needs proxyUsername", "proxyUsername", code="missing-key")
        if self.client_cert is not None and self.client_key is None:
            raise conflict("clientCert needs clientKey", "clientKey", code="missing-key")
        if self.client_key is not None and self.client_cert is None:
            raise conflict("clientKey needs clientCert", "clientCert", code="missing-key")
        if self.client_key_password is not None and self.client_key is None:
            raise conflict("clientKeyPassword needs clientKey", "clientKey", code="missing-key")
        return self


class Header(Model):
    """One header of the request: with a value in sight, or from a secret."""

    name: HeaderName = Field(description="Its name.", examples=["X-Probe"])
    value: Annotated[str, Templatable("header-value")] | None = Field(
        None, description="Its value.", examples=["{{ system.name }}"]
    )
    value_from: SecretSource | None = Field(None, description="Where its value comes from, instead of `value`.")

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if self.value is None and self.value_from is None:
            raise conflict(f"the header {self.name} has no value", hint="write value, or valueFrom: {secret: NAME}")
        if self.value is not None and self.value_from is not None:
            raise conflict(f"the header {self.name} has both value and valueFrom", "valueFrom", hint="keep one of them")
        return self


class HttpRequest(Model):
    """One request. Any response is a result, also 404 and 503: what it has to be, the assertions say."""

    url: Annotated[str, Templatable("url")] = Field(
        description="What to request.", examples=["{{ environment.baseUrl }}/ready"]
    )
    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD"] = Field("GET", description="The method of the request.")
    headers: list[Header] = Field(
        default_factory=list,
        description="Headers to send. An Authorization header here wins over the strategy's credentials.",
    )
    body: Annotated[str, Templatable()] | None = Field(None, description="What to send.", examples=['{"ping": true}'])
    timeout: Timeout = Field(30_000, description="The time limit of this request. A bare number counts milliseconds.")
    follow_redirects: bool | None = Field(
        None,
        description="Whether to go where a redirect leads, 10 times at most; none: yes. `false` makes it the result.",
    )
