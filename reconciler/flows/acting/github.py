"""``github.issue``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.automate.port import Done
from reconciler.flows.acting.issues import NEWEST, Forge, words

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked


class Issue:
    """Opens one, once."""

    def target(self, config: Mapping[str, Any]) -> str:
        """See the port."""
        return str(config["repository"])

    def lasting(self, config: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        """See the port: all of it is in the config."""
        return dict(config)

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        return await _GitHub(asked, hands).open()


class _GitHub(Forge):
    name, text = "GitHub", "body"

    @property
    def base(self) -> str:
        return f"{str(self.config['apiUrl']).rstrip('/')}/repos/{self.config['repository']}/issues"

    def headers(self) -> list[tuple[str, str]]:
        return [
            ("Authorization", f"Bearer {self.config['token']}"),
            ("Accept", "application/vnd.github+json"),
            ("X-GitHub-Api-Version", "2022-11-28"),
        ]

    def newest(self) -> str:
        return f"{self.base}?state=all&sort=created&direction=desc&per_page={NEWEST}"

    def made(self, title: str, text: str) -> dict[str, Any]:
        labels, assignees = words(self.config.get("labels") or ()), list(self.config.get("assignees") or ())
        return {"title": title, "body": text, "labels": labels, "assignees": assignees}

    def shown(self, issue: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": issue.get("number"), "number": issue.get("number"), "url": issue.get("html_url")}
