"""``gitlab.issue``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.automate.port import Done
from reconciler.flows.acting.issues import NEWEST, Forge, words

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked


class Issue:
    """Opens one, once."""

    def target(self, config: Mapping[str, Any]) -> str:
        """See the port."""
        return str(config["project"])

    def lasting(self, config: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        """See the port: all of it is in the config."""
        return dict(config)

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        return await _GitLab(asked, hands).open()


class _GitLab(Forge):
    name, text = "GitLab", "description"

    @property
    def base(self) -> str:
        return f"{str(self.config['apiUrl']).rstrip('/')}/projects/{quote(self.config['project'], safe='')}/issues"

    def headers(self) -> list[tuple[str, str]]:
        return [("PRIVATE-TOKEN", str(self.config["token"]))]

    def newest(self) -> str:
        return f"{self.base}?scope=all&order_by=created_at&sort=desc&per_page={NEWEST}"

    def made(self, title: str, text: str) -> dict[str, Any]:
        return {"title": title, "description": text, "labels": ",".join(words(self.config.get("labels") or ()))}

    def shown(self, issue: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": issue.get("iid"), "number": issue.get("iid"), "url": issue.get("web_url")}
