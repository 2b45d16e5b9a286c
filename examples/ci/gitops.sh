#!/bin/sh
# For any forge: what a job runs. Copy it, or take what you need.
#
#   gitops.sh review [BASE]    validate the checkout and tell what it would change, compared with BASE (origin/main)
#   gitops.sh apply            validate and apply HEAD to GITOPS_STORE
#
# Reports go to GITOPS_CI_OUT (gitops-out): junit.xml, findings.sarif, plan.md. GITOPS names the command. A comment is
# written where GITOPS_FORGE, GITOPS_FORGE_API, GITOPS_FORGE_REPOSITORY, GITOPS_FORGE_PULL and GITOPS_FORGE_TOKEN are set.
set -eu

gitops=${GITOPS:-gitops}
out=${GITOPS_CI_OUT:-gitops-out}
folder=${GITOPS_DIRECTORY:-.}

# The token is for one command: what else runs here needn't know it.
token=${GITOPS_FORGE_TOKEN:-}
unset GITOPS_FORGE_TOKEN

validate() {
    mkdir -p -- "$out"
    "$gitops" validate --report "junit=$out/junit.xml" --report "sarif=$out/findings.sarif"
}

review() {
    code=0
    validate || code=$?
    git -C "$folder" rev-parse --verify --quiet --end-of-options "$1^{commit}" > /dev/null || {
        echo "gitops.sh: $1 isn't in this checkout: fetch it first, with its history" >&2
        exit 2
    }
    # Of a branch that is behind, only what it changes itself.
    base=$(git -C "$folder" merge-base "$1" HEAD) || base=$(git -C "$folder" rev-parse --verify "$1^{commit}")
    # Where nothing can be planned, the comment says so, in the place of an older plan.
    "$gitops" plan --base "$base" --format markdown > "$out/plan.md" || code=$?
    [ "$code" -ne 0 ] || "$gitops" plan --base "$base"
    [ -z "$token" ] || [ ! -s "$out/plan.md" ] || GITOPS_FORGE_TOKEN=$token "$gitops" comment "$out/plan.md"
    return "$code"
}

case "$#:${1:-}" in
1:review | 2:review) review "${2:-origin/main}" ;;
1:apply) validate && "$gitops" apply --yes --lock-timeout "${GITOPS_LOCK_TIMEOUT:-1m}" ;;
*)
    echo "usage: gitops.sh review [BASE] | apply" >&2
    exit 2
    ;;
esac
