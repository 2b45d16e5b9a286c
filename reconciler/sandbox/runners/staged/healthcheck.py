"""What check scripts import. Staged into the sandbox as reconciler/healthcheck.py."""

latest: "dict[str, object] | None" = None


def result(success: bool = True, message: "str | None" = None, value: "float | None" = None) -> "dict[str, object]":
    """The result of this check. Return it, or just call this: the last call counts where nothing is returned."""
    global latest
    latest = {"success": success, "message": message, "value": value}
    return latest
