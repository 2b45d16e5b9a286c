"""``gitops watch`` without a terminal: a line for each event."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Repo

GITOPS = (sys.executable, "-m", "reconciler")


def test_watch_tells_what_comes(web: Repo, gitops: Gitops) -> None:
    gitops("run", "home")
    command = [*GITOPS, "watch", "--for", "60s", "-C", str(web.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reader.start()
    try:
        deadline = time.monotonic() + 20
        while not lines and time.monotonic() < deadline:  # it may begin to look after the first run
            gitops("run", "ready")
    finally:
        process.send_signal(signal.SIGINT)
        reader.join(20)
        assert process.stderr is not None
        err = process.stderr.read()
        code = process.wait(20)
        process.stderr.close()
        if process.stdout is not None:
            process.stdout.close()
    assert (code, err.strip()) == (130, "error: interrupted")
    assert any("✗ unhealthy shop/ready/production in " in line for line in lines)
    assert not any("home" in line for line in lines), "what was before isn't news"


def test_watch_ends_by_itself_and_speaks_json(web: Repo, gitops: Gitops) -> None:
    told = gitops("watch", "--for", "100ms")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert gitops("watch", "--for", "100ms", "--system", "shob").code == 1


def test_watch_of_nothing(shop: Repo, gitops: Gitops) -> None:
    told = gitops("watch")
    assert (told.code, told.out) == (1, "")
    assert "nothing was applied yet" in told.err


def test_names_are_completed(web: Repo, gitops: Gitops) -> None:
    def completed(words: str) -> list[str]:
        env = {"_GITOPS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        done = subprocess.run(GITOPS, capture_output=True, text=True, cwd=web.path, env={**os.environ, **env})
        return [line.split(",")[1] for line in done.stdout.split()]

    assert completed("gitops run r") == ["ready"]
    assert completed("gitops runs shop/ready/") == ["shop/ready/production", "shop/ready/staging"]
    assert completed("gitops runs nothing") == []


def test_watch_as_data(web: Repo, gitops: Gitops) -> None:
    from reconciler.flows.watch import Watch
    from reconciler.report.watch_text import news_json
    from reconciler.store.open import open_executing, open_to_read

    store = str(web.path / ".gitops" / "store.db")
    reader, hands = open_to_read(store), open_executing(store)
    try:
        watch = Watch(hands, reader, system="shop")
        assert not watch.news().any
        gitops("run", "ready")
        events = [json.loads(line) for line in news_json(watch.news())]
        assert not watch.news().any
    finally:
        hands.close()
        reader.close()
    assert [e["event"] for e in events] == ["run", *["transition"] * 3]
    assert {e.get("scope") for e in events[1:]} == {"slice", "environment", "system"}


def test_watch_ends_with_a_sentence_where_the_store_made_way_for_another(web: Repo, gitops: Gitops) -> None:
    store = web.path / ".gitops" / "store.db"
    command = [*GITOPS, "watch", "--for", "60s", "-C", str(web.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not select.select([process.stdout], [], [], 0)[0]:
            gitops("run", "ready")
        assert gitops("store", "backup", str(web.path / "copy.db")).code == 0
        os.replace(web.path / "copy.db", store)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "isn't the file any more that was opened" in err
