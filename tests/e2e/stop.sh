#!/usr/bin/env bash
# SIGTERM: the server is gone within two seconds, whatever its clients do, and its containers do not notice.
source "$(dirname "$0")/lib.sh"
start_server

for name in a b c; do
  expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: $name}, spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: '$IMAGE', command: [/bin/sh, -c, 'trap \"exit 0\" TERM; while true; do echo tick; sleep 0.2; done']}]}}"
done
running() { is 3 eval 'k get pods --field-selector=status.phase=Running -o name | wc -l'; }
eventually 60 running
processes=$(own_processes)
[ "$(wc -l <<<"$processes")" -ge 6 ] || fail "not a monitor and a pause process for each pod: $processes"
ids=$(k get pods -o 'jsonpath={.items[*].status.containerStatuses[0].containerID}')

# Clients that hang on: watches, a followed log, an idle connection.
background "$WORK/watch" get pods -w
background "$WORK/follow" logs -f a
eventually 30 test -s "$WORK/follow"
eventually 30 test -s "$WORK/watch"
clients=("${children[@]}")

begin=$(date +%s%N)
kill -TERM "$server_pid"
wait "$server_pid" || fail "exit code $?"
took=$((($(date +%s%N) - begin) / 1000000))
server_pid=
echo "stop_ms $took ms"
[ "$took" -lt 2000 ] || fail "it took $took ms"

# The clients see their connections end; kubectl's watch begins anew by itself or gives up.
for pid in "${clients[@]}"; do kill "$pid" 2>/dev/null || true; done
left=$(own_processes)
[ "$(sort <<<"$left")" = "$(sort <<<"$processes")" ] || fail "processes before: $processes after: $left"

note "and it starts again"
start_server
running || fail "pods are not running"
is "$ids" k get pods -o 'jsonpath={.items[*].status.containerStatuses[0].containerID}' || fail "other containers"

note "SIGINT likewise; a second server on the same data is refused meanwhile"
out=$("$MINIKUBE" server --data-dir "$DATA" --listen 127.0.0.1:0 2>&1) && fail "two servers on one directory"
says "minikube: "
stop_server INT
