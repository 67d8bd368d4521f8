#!/usr/bin/env bash
# kubectl exec on real containers, over WebSocket and over SPDY: output, exit codes, input, terminals, and every way to be
# refused or cut off.
source "$(dirname "$0")/lib.sh"

command -v script >/dev/null || cannot_run "no script"

cat >"$WORK/tokens.csv" <<'CSV'
viewer-token,viewer,1001,"readers"
CSV
start_server --token-auth-file "$WORK/tokens.csv"

# The pod stays up until it is told to go.
expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {terminationGracePeriodSeconds: 1, containers: [
  {name: main, image: \"$IMAGE\", env: [{name: WORD, value: hello}], command: [/bin/sh, -c, 'trap \"exit 0\" TERM; while true; do sleep 1000 & wait; done']},
  {name: side, image: \"$IMAGE\", command: [/bin/sh, -c, 'trap \"exit 0\" TERM; while true; do sleep 1000 & wait; done']}]}}"
expect k wait --for=condition=Ready pod/p --timeout=60s

head -c 3000000 /dev/urandom >"$WORK/bytes"
terminal() {  # ROWS COLUMNS COMMAND...: in the pod, with a terminal of that size here
  local rows=$1 columns=$2
  shift 2
  timeout 60 script -qec "stty rows $rows cols $columns; '$KUBECTL' --kubeconfig '$DATA/kubeconfig' exec -it p -c main -- $*" /dev/null </dev/null
}
size_is() { [[ $(terminal "$1" "$2" "sh -c 'sleep 0.2; stty size; echo \$TERM; [ -t 0 ] && echo both'") == *"$1 $2"*xterm*both* ]]; }

streams() {
  note "output, its two streams, the environment"
  expect k exec p -c main -- sh -c 'echo $WORD; echo $0 $1' a 'b c'
  [ "$out" = "hello"$'\n'"a b c" ] || fail "output: $out"
  [ "$(k exec p -c main -- sh -c 'echo out; echo err >&2' 2>/dev/null)" = out ] || fail "stdout alone"
  [ "$(k exec p -c main -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" = err ] || fail "stderr alone"
  [ "$(k exec p -c main -- seq 1 200000 | awk '{ if ($1 != NR) exit 1 } END { print NR }')" = 200000 ] || fail "long output"

  note "exit codes"
  expect k exec p -c main -- true
  status=0
  k exec p -c main -- sh -c 'exit 7' 2>"$WORK/err" || status=$?
  [ $status = 7 ] || fail "exit code $status"
  grep -q "exit code 7" "$WORK/err" || fail "$(<"$WORK/err")"
  refuse 'exec: "no-such-program": executable file not found in $PATH' k exec p -c main -- no-such-program
  expect k exec p -c side -- sh -c 'sleep 1000 & echo started'
  says started

  note "input"
  [ "$(echo through | k exec -i p -c main -- cat)" = through ] || fail "cat"
  [ "$(k exec -i p -c main -- sh -c 'cat | cat' <"$WORK/bytes" | sha256sum)" = "$(sha256sum <"$WORK/bytes")" ] || fail "bytes were changed"
  expect k exec -i p -c main -- sh -c 'exec 0<&-; echo done' <"$WORK/bytes"
  [ "$out" = done ] || fail "a process that reads no input: $out"
  expect k exec p -c main -- cat
  [ "$out" = "" ] || fail "no input at all: $out"

  note "a terminal"
  eventually 20 size_is 37 111
}

for KUBECTL in "${kubectls[@]}"; do
  note "with $KUBECTL"
  streams
  if ! is_kubectl_1_20; then
    note "with $KUBECTL over SPDY"
    KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false streams
  fi
done
KUBECTL=${kubectls[0]}

note "refused"
refuse 'pods "q" not found' k exec q -- true
refuse 'container other is not valid for pod p' k exec p -c other -- true
credentials
as_viewer() {
  "$KUBECTL" --kubeconfig /dev/null --server "$URL" --certificate-authority "$WORK/certificate-authority-data" \
    --token viewer-token "$@"
}
expect k create clusterrole pod-reader --verb=get,list --resource=pods
expect k create clusterrolebinding readers --clusterrole=pod-reader --group=readers
eventually 10 as_viewer get pods
refuse 'User "viewer" cannot' as_viewer exec p -c main -- true
# Whoever may only read may not run commands by a method that reads.
expect k create clusterrole exec-reader --verb=get --resource=pods/exec
expect k create clusterrolebinding exec-readers --clusterrole=exec-reader --group=readers
refuse 'User "viewer" cannot create resource "pods/exec"' as_viewer exec p -c main -- true
expect k create clusterrole execer --verb=create --resource=pods/exec
expect k create clusterrolebinding execers --clusterrole=execer --group=readers
eventually 10 as_viewer exec p -c main -- true
api GET "/api/v1/namespaces/default/pods/p/exec?container=main&command=true&stdout=true"
[ "$code" = 400 ] || fail "HTTP $code"
says '"message":"Upgrade request required"'
expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: over}, spec: {restartPolicy: Never, containers: [{name: main, image: \"$IMAGE\", command: [\"true\"]}]}}"
eventually 30 is Succeeded k get pod over -o 'jsonpath={.status.phase}'
refuse "completed pod" k exec over -- true
api GET "/api/v1/namespaces/default/pods/over/exec?command=true&stdout=true" -H "Connection: Upgrade" -H "Upgrade: websocket" \
  -H "Sec-WebSocket-Version: 13" -H "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" -H "Sec-WebSocket-Protocol: v5.channel.k8s.io"
[ "$code" = 500 ] || fail "HTTP $code"
says 'container not found (\"main\")'

note "a client that goes takes its process with it"
processes() { k exec p -c main -- sh -c 'for d in /proc/[0-9]*; do tr "\0" " " <$d/cmdline; echo; done' >"$WORK/processes"; }
runs() { processes && grep -q "^sleep $1 " "$WORK/processes"; }
runs_not() { processes && ! grep -q "^sleep $1 " "$WORK/processes"; }
background "$WORK/killed" exec p -c main -- sleep 4321
client=$!
eventually 20 runs 4321
# `timeout` is what runs in the background: kubectl is its child.
kill -KILL "$(pgrep -P "$client")"
wait "$client" || true
eventually 20 runs_not 4321

note "a pod that is deleted meanwhile ends the command"
background "$WORK/deleted" exec p -c main -- sleep 4322
client=$!
eventually 20 runs 4322
expect k delete pod p over
status=0
wait "$client" || status=$?
[ $status = 137 ] || fail "ended with $status: $(<"$WORK/deleted")"
