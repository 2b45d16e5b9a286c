"""``run_shell`` and ``run_script``: in the sandbox, told what they react to, never telling a secret."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.automate.port import Done, NotDone
from tests.servers.acting import Acting


@pytest.fixture(autouse=True)
def _declared(acting: Acting) -> None:
    acting.declare("run_shell", "run_script")
    acting.payload |= {"systemName": "The shop", "environmentId": "production", "healthyChecks": 1, "gone": None}


def test_run_shell_is_told_in_variables(acting: Acting) -> None:
    script = "\n".join(
        f'echo "{name}=$CHECKSTACK_{name}"'
        for name in (
            *("SYSTEM_ID", "SYSTEM_NAME", "ENV_ID", "ENV_REGION", "ENV_TIER", "EVENT", "RUN_ID", "AUTOMATION_ID"),
            *("TRIGGER_NEW_STATUS", "TRIGGER_HEALTHY_CHECKS", "TRIGGER_GONE", "ACTION_KEY"),
        )
    )
    done = acting.perform("run_shell", {"script": f'{script}\necho "$LIMIT"', "env": {"LIMIT": "90"}})
    assert isinstance(done, Done)
    assert done.result["stdout"].splitlines() == [
        *("SYSTEM_ID=shop", "SYSTEM_NAME=The shop", "ENV_ID=production", "ENV_REGION=eu-1", "ENV_TIER=1"),
        *("EVENT=healthcheck.system_health_changed", "RUN_ID=7", "AUTOMATION_ID=react"),
        *("TRIGGER_NEW_STATUS=unhealthy", "TRIGGER_HEALTHY_CHECKS=1", "TRIGGER_GONE=", "ACTION_KEY=run-7.actions-0"),
        "90",
    ]
    assert done.result["sandbox"]["enforced"]


def test_run_shell_that_fails_is_told_with_its_output(acting: Acting) -> None:
    done = acting.perform("run_shell", {"script": "echo so far; echo why >&2; exit 3"})
    assert isinstance(done, NotDone)
    assert (done.error, done.result["stdout"], done.result["stderr"]) == ("Exit code: 3", "so far", "why")


def test_what_a_payload_spells_is_no_command(acting: Acting) -> None:
    acting.payload["note"] = '"; echo owned; $(echo owned) `echo owned`'
    done = acting.perform("run_shell", {"script": 'echo "$CHECKSTACK_TRIGGER_NOTE"'})
    assert isinstance(done, Done)
    assert done.result["stdout"] == acting.payload["note"]


def test_a_huge_payload_does_not_keep_a_script_from_starting(acting: Acting) -> None:
    acting.payload["result"] = "x" * 300_000
    done = acting.perform("run_shell", {"script": 'echo "${#CHECKSTACK_TRIGGER_RESULT}"'})
    assert isinstance(done, Done)
    assert done.result["stdout"] == "16384"


def test_secrets_of_scripts_are_masked_and_the_workers_are_not_there(acting: Acting) -> None:
    acting.environ["GITOPS_SECRET_TOKEN"] = "hidden-token"
    config = {"script": "echo $TOKEN; env", "secretEnv": {"TOKEN": "${{ secrets.TOKEN }}"}}
    done = acting.perform("run_shell", config)
    assert isinstance(done, Done)
    assert done.result["stdout"].startswith("****")
    assert "hidden" not in repr(done)
    assert "GITOPS_SECRET" not in done.result["stdout"]


def test_run_script_in_python_has_a_context(acting: Acting) -> None:
    script = (
        "c = context\n"
        "told = [c['trigger']['payload']['newStatus'], c['system']['name'], c['environment']['region'],"
        " c['automation']['id']]\n"
        "return {'message': ' '.join(told), 'value': 3}\n"
    )
    done = acting.perform("run_script", {"script": script})
    assert isinstance(done, Done)
    assert (done.result["message"], done.result["value"]) == ("unhealthy The shop eu-1 react", 3)


def test_run_script_in_node_has_the_same(acting: Acting) -> None:
    done = acting.perform("run_script", {"language": "node", "script": "return context.trigger.payload.newStatus"})
    assert isinstance(done, Done)
    assert done.result["message"] == "unhealthy"


@pytest.mark.parametrize(
    ("script", "said"),
    [("raise ValueError('no way')", "no way"), ("return {'success': False, 'message': 'not yet'}", "not yet")],
)
def test_run_script_that_fails_is_told_in_its_own_words(acting: Acting, script: str, said: str) -> None:
    done = acting.perform("run_script", {"script": script})
    assert isinstance(done, NotDone)
    assert said in done.error


@pytest.mark.parametrize("action", ["run_shell", "run_script"])
def test_a_script_without_end_is_stopped(acting: Acting, action: str) -> None:
    script = "sleep 60" if action == "run_shell" else "import time; time.sleep(60)"
    done = acting.perform(action, {"script": script, "timeout": "300ms"})
    assert done == NotDone("Script execution timed out", done.result)


def test_a_trigger_about_no_system_leaves_those_variables_out(acting: Acting) -> None:
    acting.payload = {}
    done = acting.perform("run_shell", {"script": 'echo "${CHECKSTACK_SYSTEM_ID-none} ${CHECKSTACK_ENV_ID-none}"'})
    assert isinstance(done, Done)
    assert done.result["stdout"] == "none none"


def test_a_context_that_is_no_json_is_told(acting: Acting) -> None:
    context: Any = {"trigger": {"payload": {"x": float("nan")}}}
    done = acting.perform("run_script", {"script": "return 1"}, context=context)
    assert isinstance(done, NotDone)
    assert "must be JSON" in done.error
