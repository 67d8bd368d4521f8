#!/usr/bin/env bash
# The example hosts do what they say.
source "$(dirname "$0")/lib.sh"

note "a controller of one's own"
expect timeout 60 "${EXAMPLES:?}/example_own_controller"
says "team-a has its quota"

note "deploy and wait"
expect timeout 120 "$EXAMPLES/example_deploy_and_wait" "$DATA" "$IMAGE" /bin/sleep 100000
says "3 of 3 available" "kubeconfig: $DATA/kubeconfig"

note "what the host left running is taken over, and ends with its Deployment"
start_server
eventually 90 is "" k get deployments,replicasets,pods -o name
eventually 60 gone
