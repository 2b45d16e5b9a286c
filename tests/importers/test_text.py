"""How documents are laid out, on the points that a property can't judge: what stands on a line, and comments."""

from __future__ import annotations

from reconciler.importers.probe import Remark
from reconciler.importers.text import written


def test_short_maps_stand_on_a_line_and_long_ones_do_not() -> None:
    long = {
        "authType": "basic",
        "authUsername": "somebody",
        "authPassword": "${{ secrets.A_RATHER_LONG_NAME_OF_A_SECRET }}",
    }
    text = written(
        [
            {
                "metadata": {"name": "a"},
                "spec": {"strategy": {"type": "http@3", "config": {"timeout": "5s"}}, "list": ["a", "b"]},
            },
            {"spec": {"strategy": {"type": "http@3", "config": long}, "fields": {"a": 1}, "empty": {}, "none": []}},
        ]
    )
    assert text == (
        "metadata: {name: a}\n"
        "spec:\n"
        "  strategy: {type: http@3, config: {timeout: 5s}}\n"
        "  list: [a, b]\n"
        "---\n"
        "spec:\n"
        "  strategy:\n"
        "    type: http@3\n"
        "    config:\n"
        "      authType: basic\n"
        "      authUsername: somebody\n"
        "      authPassword: ${{ secrets.A_RATHER_LONG_NAME_OF_A_SECRET }}\n"
        "  fields:\n"
        "    a: 1\n"
        "  empty: {}\n"
        "  none: []\n"
    )


def test_comments_stay_with_what_they_speak_of() -> None:
    document = {
        Remark(): "First line.\n\nThird line.",
        "spec": {
            Remark("interval"): "not more\noften",
            "interval": "1m",
            "assertions": [
                {"field": "statusCode", "operator": "equals", "value": 200, Remark("field"): "fine"},
                {"field": "body", "operator": "contains", "value": "a\nb", Remark("field"): "two lines"},
            ],
        },
    }
    assert written([document]) == (
        "# First line.\n"
        "#\n"
        "# Third line.\n"
        "spec:\n"
        "  interval: 1m # not more often\n"
        "  assertions:\n"
        "    - {field: statusCode, operator: equals, value: 200} # fine\n"
        "    - field: body # two lines\n"
        "      operator: contains\n"
        "      value: |-\n"
        "        a\n"
        "        b\n"
    )


def test_a_comment_cannot_become_something_else() -> None:
    document = {Remark(): "a\u2028kind: System\x1b[2J", "kind": "Group", Remark("kind"): "b\x85metadata: {}"}
    text = written([document])
    assert text == "# a\n# kind: System\\u001b[2J\nkind: Group # b metadata: {}\n"
