#!/usr/bin/env bash
# kill -9 of the server while pods run: nothing happens to them, nothing they say is lost, and after a restart everything
# goes on where it was.
source "$(dirname "$0")/lib.sh"
start_server

yaml apply "
apiVersion: apps/v1
kind: Deployment
metadata: {name: counter}
spec:
  replicas: 3
  selector: {matchLabels: {app: counter}}
  template:
    metadata: {labels: {app: counter}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: $IMAGE
        command: [/bin/sh, -c, 'trap \"exit 0\" TERM; n=0; while true; do echo line \$n; n=\$((n+1)); sleep 0.05; done']
" >/dev/null
expect k rollout status deployment/counter --timeout=60s

# Lines of a log are line 0, line 1, ... without a gap. Prints how many.
whole_log() {
  k logs "$1" | awk '$0 != "line " NR - 1 { print "line " NR ": " $0; bad = 1; exit 1 } END { if (!bad) print NR }'
}
facts() {
  k get pods -l app=counter --sort-by=.metadata.name -o 'jsonpath={range .items[*]}{.metadata.uid} {.status.podIP} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].state.running.startedAt}{"\n"}{end}'
}
processes() {  # pids with start times: the same means the same process
  local pid
  for pid in $(own_processes) $(container_pids); do echo "$pid $(cut -d' ' -f22 "/proc/$pid/stat")"; done | sort
}
container_pids() { awk '{ print $1 }' "$DATA"/runtime/containers/*/started; }
said_more_than() { [ "$(whole_log "$1")" -gt "$2" ]; }

pods=$(k get pods -l app=counter -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
pods=($pods)
for pod in "${pods[@]}"; do eventually 30 said_more_than "$pod" 20; done
facts_before=$(facts)
processes_before=$(processes)
[ "$(container_pids | wc -l)" = 3 ] || fail "not three containers: $(container_pids)"
expect k create configmap before
version=$(k get configmap before -o 'jsonpath={.metadata.resourceVersion}')
lines_before=$(whole_log "${pods[0]}")
log_file=$(readlink -f "$(find "$DATA"/agent/logs -name '*.log' -path "*${pods[0]}*" | head -1)")

for round in 1 2; do
  note "kill -9, round $round"
  stop_server KILL
  # The pods go on talking while there is no server.
  size=$(wc -l <"$log_file")
  eventually 30 eval '[ "$(wc -l <"$log_file")" -gt '"$((size + 20))"' ]'
  start_server
  is "$facts_before" facts || fail "other pods, or restarted ones: $(facts)"
  is "$processes_before" processes || fail "other processes: before $processes_before, now $(processes)"
  for pod in "${pods[@]}"; do
    expect whole_log "$pod"
    eventually 30 said_more_than "$pod" "$out"
  done
  [ "$(whole_log "${pods[0]}")" -gt "$lines_before" ] || fail "the log does not go on"
done

note "versions go on, watches resume"
expect k create configmap after
after=$(k get configmap after -o 'jsonpath={.metadata.resourceVersion}')
[ "$after" -gt "$version" ] || fail "resourceVersion went from $version to $after"
api GET "/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=$version&timeoutSeconds=1"
[ "$code" = 200 ] || fail "watch from $version: $code $out"
says '"ADDED"' '"name":"after"'
[[ $out != *'"name":"before"'* ]] || fail "the watch repeats what was before its version"

note "what was acknowledged just before the kill is there"
for i in $(seq 20); do
  name=m$i
  expect k create configmap "$name"
done
stop_server KILL
start_server
expect k get configmap m1 m20

note "what changed while there was no server is caught up on"
victim=$(container_pids | head -1)
stop_server KILL
kill -KILL "$victim"
start_server
eventually 60 is "0 0 1" eval 'k get pods -l app=counter -o "jsonpath={range .items[*]}{.status.containerStatuses[0].restartCount}{\"\n\"}{end}" | sort | xargs'
expect k rollout status deployment/counter --timeout=60s

uids=$(pod_uids)
expect k delete deployment counter
eventually 60 no_pods
eventually 60 gone $uids
