#!/usr/bin/env bash
# A host with a cluster inside deploys real pods and goes; the executable, started on the same data, takes them over.
NODE=$(hostname | tr '[:upper:]' '[:lower:]')
source "$(dirname "$0")/lib.sh"
host=${EXAMPLES:?}/example_deploy_and_wait
[ -x "$host" ] || cannot_run "no $host"

note "the host deploys, waits, deletes, and goes"
# Told to stop they take their time: the host does not stay for that.
expect timeout 120 "$host" "$DATA" "$IMAGE" /bin/sh -c 'trap "sleep 5; exit 0" TERM; while true; do sleep 0.1; done'
says "kubeconfig: $DATA/kubeconfig" "3 of 3 available"
[ "$(own_processes | wc -l)" -ge 6 ] || fail "not a monitor and a pause process for each pod: $(own_processes)"

note "the executable finds what it left"
start_server
refuse 'deployments.apps "web" not found' k get deployment web
eventually 60 no_pods
eventually 60 gone
