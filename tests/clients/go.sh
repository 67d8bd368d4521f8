#!/usr/bin/env bash
# client-go, controller-runtime and its envtest. From the environment: MINIKUBE (the executable).
set -euo pipefail
cd "$(dirname "$0")/go"

cannot_run() {
  echo "cannot run here: $1" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
}

command -v go >/dev/null || cannot_run "no go"
export GOFLAGS=-mod=mod GOWORK=off
go mod download 2>/dev/null || cannot_run "the Go modules cannot be fetched"

assets=$(mktemp -d "${TMPDIR:-/tmp}/minikube-clients.XXXXXX")
trap 'rm -rf "$assets"' EXIT
"${MINIKUBE:?}" envtest-assets "$assets" >/dev/null
KUBEBUILDER_ASSETS=$assets go test -count=1 ./...
