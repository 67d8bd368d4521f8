#!/usr/bin/env bash
# kubectl attach, run -i, port-forward and cp on real containers, with every kubectl that is here: over WebSocket and over
# SPDY.
source "$(dirname "$0")/lib.sh"

for program in script curl tar; do command -v "$program" >/dev/null || cannot_run "no $program"; done

start_server
expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {terminationGracePeriodSeconds: 1, containers: [
  {name: main, image: \"$IMAGE\", readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}, command: [/bin/sh, -c, 'mkdir -p /www; echo hello >/www/index.html; busybox dd if=/dev/zero of=/www/large bs=1M count=128 2>/dev/null; nc -ll -p 7000 -e cat & nc -ll -p 7001 -e sleep 1000 & exec httpd -f -p 8080 -h /www']}]}}"
expect k wait --for=condition=Ready pod/web --timeout=60s

# forward PORT...: kubectl port-forward in the background to the pod web; its process in $forwarder, what it says in
# $forward, each port that it listens on in ${local[of the pod]}.
declare -A local
forwarders=0
forward() {
  forward=$WORK/forward.$((++forwarders))
  background "$forward" port-forward pod/web --address 127.0.0.1 "${@/#/:}"
  forwarder=$!
  eventually 20 forwards $#
  local=()
  local from to
  while read -r _ _ from _ to; do local[$to]=${from##*:}; done < <(grep '^Forwarding from 127' "$forward")
}
forwards() { [ "$(grep -c '^Forwarding from 127' "$forward")" = "$1" ]; }
stop_forward() {
  # `timeout` is what runs in the background: kubectl is its child.
  kill "$(pgrep -P "$forwarder")" 2>/dev/null || true
  wait "$forwarder" 2>/dev/null || true
}
url() { curl -sS --max-time 60 "http://127.0.0.1:${local[8080]}/$1"; }

ports() {
  note "port-forward: connections, one after another and many at a time"
  forward 8080 7000 7001 9999
  is hello url index.html || fail "index.html"
  local i pids=()
  for i in {1..50}; do
    url index.html >"$WORK/got.$i" &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i" || fail "one of many connections"; done
  [ "$(cat "$WORK"/got.* | sort | uniq -c | awk '{ print $1, $2 }')" = "50 hello" ] || fail "$(cat "$WORK"/got.*)"

  note "port-forward: 128 MB one way, and both ways"
  local started=$SECONDS
  [ "$(url large | sha256sum)" = "$(head -c 134217728 /dev/zero | sha256sum)" ] || fail "what came is not what was sent"
  note "took $((SECONDS - started)) s"
  head -c 20000000 /dev/urandom >"$WORK/bytes"
  [ "$(timeout 60 busybox nc 127.0.0.1 "${local[7000]}" <"$WORK/bytes" | sha256sum)" = "$(sha256sum <"$WORK/bytes")" ] ||
    fail "bytes were changed on their way there and back"

  note "port-forward: nobody listens"
  curl -sS --max-time 10 "http://127.0.0.1:${local[9999]}/" >/dev/null 2>&1 && fail "an answer from nobody"
  eventually 10 grep -q "failed to connect to localhost:9999" "$forward"

  note "port-forward: one that stalls holds up neither the server nor other clients"
  timeout 60 busybox nc 127.0.0.1 "${local[7001]}" </dev/zero >/dev/null 2>&1 &
  local stalled=$! first=$forwarder before after
  before=$(awk '/^VmRSS/ { print $2 }' "/proc/$server_pid/status")
  forward 8080
  for i in 1 2 3; do is hello url index.html || fail "beside one that stalls"; done
  after=$(awk '/^VmRSS/ { print $2 }' "/proc/$server_pid/status")
  [ $((after - before)) -lt 20000 ] || fail "the server has grown from $before to $after kB"
  stop_forward
  kill "$stalled" 2>/dev/null || true
  wait "$stalled" 2>/dev/null || true
  forwarder=$first
  stop_forward
}

attached() {
  note "attach: output, input, and its end"
  expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: shell}, spec: {terminationGracePeriodSeconds: 1, restartPolicy: Never, containers: [
    {name: main, image: \"$IMAGE\", stdin: true, stdinOnce: true, command: [/bin/sh, -c, 'while read line; do echo got \$line; done; echo over; exit 3']}]}}"
  expect k wait --for=condition=Ready pod/shell --timeout=60s
  out=$(printf 'one\ntwo\n' | k attach -i shell 2>/dev/null) || fail "attach: $out"
  [[ $out == *"got one"$'\n'"got two"$'\n'"over"* ]] || fail "attached: $out"
  eventually 20 is Failed k get pod shell -o 'jsonpath={.status.phase}'
  is 3 k get pod shell -o 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}' || fail "exit code"
  expect k logs shell
  [ "$out" = "got one"$'\n'"got two"$'\n'"over" ] || fail "its log: $out"
  refuse "completed pod" k attach shell
  expect k delete pod shell

  note "attach: without stdin, to what goes on"
  expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: ticks}, spec: {terminationGracePeriodSeconds: 0, containers: [
    {name: main, image: \"$IMAGE\", command: [/bin/sh, -c, 'while true; do echo tick; sleep 0.1; done']}]}}"
  expect k wait --for=condition=Ready pod/ticks --timeout=60s
  background "$WORK/ticks" attach ticks
  local client=$!
  eventually 20 grep -q tick "$WORK/ticks"
  expect k delete pod ticks
  wait "$client" || fail "attached to a pod that was deleted: $(<"$WORK/ticks")"

  note "run -i, and run -it"
  out=$(echo through | k run one --image="$IMAGE" --restart=Never -i --rm --quiet --command -- sh -c 'sleep 1; cat' 2>&1) || fail "run: $out"
  [[ $out == *through* ]] || fail "run -i: $out"
  local status=0
  timeout 60 script -qec "stty rows 33 cols 99; '$KUBECTL' --kubeconfig '$DATA/kubeconfig' run two --image='$IMAGE' --restart=Never -it --rm --quiet --command -- sh -c 'sleep 2; stty size; exit 4'" "$WORK/typescript" </dev/null >/dev/null || status=$?
  [ $status = 4 ] || fail "run -it ended with $status: $(<"$WORK/typescript")"
  grep -q "33 99" "$WORK/typescript" || fail "the size of the terminal: $(<"$WORK/typescript")"
}

copies() {
  note "cp of a tree, there and back"
  rm -rf "$WORK/tree" "$WORK/back"
  mkdir -p "$WORK/tree/a/b" "$WORK/tree/empty"
  head -c 5000000 /dev/urandom >"$WORK/tree/a/large"
  for i in {1..100}; do echo "file $i" >"$WORK/tree/a/b/$i"; done
  expect k cp "$WORK/tree" web:/tmp/tree
  expect k cp web:/tmp/tree "$WORK/back"
  diff -r "$WORK/tree" "$WORK/back" || fail "the tree is not the same"
  expect k exec web -- rm -rf /tmp/tree
}

every() {
  ports
  attached
  copies
}

for KUBECTL in "${kubectls[@]}"; do
  note "with $KUBECTL"
  every
  is_kubectl_1_20 && continue
  note "with $KUBECTL over SPDY"
  KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false KUBECTL_PORT_FORWARD_WEBSOCKETS=false every
done
KUBECTL=${kubectls[0]}

note "logs and watches over WebSocket"
credentials
socket() {  # PATH PROTOCOL: what comes within two seconds of asking
  timeout 10 curl -sS --http1.1 --max-time 2 --cacert "$WORK/certificate-authority-data" --cert "$WORK/client-certificate-data" \
    --key "$WORK/client-key-data" -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" \
    -H "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" ${2:+-H "Sec-WebSocket-Protocol: $2"} "$URL$1" 2>/dev/null | tr -d '\0' || true
}
expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: says}, spec: {restartPolicy: Never, containers: [{name: main, image: \"$IMAGE\", command: [/bin/sh, -c, 'echo some words']}]}}"
eventually 30 is Succeeded k get pod says -o 'jsonpath={.status.phase}'
[[ $(socket /api/v1/namespaces/default/pods/says/log) == *"some words"* ]] || fail "a log"
[[ $(socket /api/v1/namespaces/default/pods/says/log base64.binary.k8s.io) == *"$(echo some words | base64)"* ]] || fail "a log in base64"
[[ $(socket "/api/v1/namespaces/default/pods?watch=1") == *'{"type":"ADDED"'*'"says"'* ]] || fail "a watch"

expect k delete pod web says
eventually 60 no_pods
