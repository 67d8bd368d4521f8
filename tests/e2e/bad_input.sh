#!/usr/bin/env bash
# What is wrong is refused, with the status and the message that Kubernetes gives, and the server goes on.
source "$(dirname "$0")/lib.sh"
start_server

readonly PODS=/api/v1/namespaces/default/pods
readonly MAPS=/api/v1/namespaces/default/configmaps
readonly JSON='Content-Type: application/json'

# answers STATUS REASON TEXT METHOD PATH [CURL ARGUMENT...]
answers() {
  local status=$1 reason=$2 text=$3
  shift 3
  api "$@"
  [ "$code" = "$status" ] || fail "status $code instead of $status: $* -> $out"
  [ -z "$reason" ] || says "\"reason\":\"$reason\""
  says "$text"
}

note "requests that are no objects"
answers 400 BadRequest "" POST $MAPS -H "$JSON" -d '{"apiVersion":"v1","kind":"ConfigMap",'
answers 400 BadRequest "" POST $MAPS -H "$JSON" -d ''
answers 400 BadRequest "metadata.name" POST $MAPS -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":7}}'
answers 400 BadRequest "" POST $PODS -H "$JSON" -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'
answers 415 UnsupportedMediaType "" POST $MAPS -H 'Content-Type: application/x-tar' -d '{}'
answers 404 NotFound "the server could not find the requested resource" GET /api/v1/nothing
answers 404 NotFound 'configmaps \"nothing\" not found' GET $MAPS/nothing
answers 405 MethodNotAllowed "" POST $MAPS/nothing -H "$JSON" -d '{}'

note "bodies beyond the limit of 3 MiB"
head -c 4000000 /dev/zero | tr '\0' x >"$WORK/big"
printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"big"},"data":{"a":"%s"}}' "$(<"$WORK/big")" >"$WORK/big.json"
answers 413 RequestEntityTooLarge "limit is 3145728" POST $MAPS -H "$JSON" --data-binary "@$WORK/big.json"

note "names"
answers 422 Invalid 'a lowercase RFC 1123 subdomain' POST $MAPS -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"Not_Good"}}'
answers 422 Invalid 'name or generateName is required' POST $MAPS -H "$JSON" -d '{"apiVersion":"v1","kind":"ConfigMap"}'
answers 400 BadRequest 'the namespace of the provided object does not match the namespace sent on the request' POST $MAPS \
  -H "$JSON" -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b"}}'
answers 404 NotFound 'namespaces \"nowhere\" not found' POST /api/v1/namespaces/nowhere/configmaps -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'

note "fields"
answers 400 BadRequest 'strict decoding error: unknown field \"dta\"' POST "$MAPS?fieldValidation=Strict" -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"dta":{}}'
answers 400 BadRequest 'strict decoding error' POST "$MAPS?fieldValidation=Strict" -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1"},"data":{"x":"2"}}'
api POST "$MAPS?fieldValidation=Warn" -H "$JSON" -D "$WORK/headers" \
  -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"dta":{}}'
[ "$code" = 201 ] || fail "Warn refuses: $out"
grep -qi '^warning: 299 .*unknown field' "$WORK/headers" || fail "no warning: $(<"$WORK/headers")"
answers 422 Invalid 'spec.containers' POST $PODS -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[]}}'
answers 422 Invalid 'spec.containers[0].image' POST $PODS -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c"}]}}'
answers 400 BadRequest 'quantities must match the regular expression' POST $PODS -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"much"}}}]}}'

note "conflicts"
answers 409 AlreadyExists 'configmaps \"a\" already exists' POST $MAPS -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'
old=$(k get configmap a -o 'jsonpath={.metadata.resourceVersion}')
expect k label configmap a x=y
answers 409 Conflict 'Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again' \
  PUT $MAPS/a -H "$JSON" -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","resourceVersion":"'"$old"'"},"data":{"lost":"yes"}}'
answers 409 Conflict 'Precondition failed: UID in precondition' DELETE $MAPS/a -H "$JSON" \
  -d '{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"other"}}'
answers 409 Conflict 'Precondition failed: UID in precondition: other' PATCH $MAPS/a -H 'Content-Type: application/merge-patch+json' -d '{"metadata":{"uid":"other"}}'
is "" k get configmap a -o 'jsonpath={.data}' || fail "a refused write left something"

note "kubectl says it too"
for KUBECTL in "${kubectls[@]}"; do
  refuse 'Error from server (NotFound): configmaps "nothing" not found' k get configmap nothing
  refuse 'configmaps "a" already exists' k create configmap a
  refuse "the server doesn't have a resource type \"nothing\"" k get nothing
  refuse 'is invalid' k create configmap Not_Good
  refuse 'unknown field' yaml create '{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i, imag: j}]}}'
done
KUBECTL=${kubectls[0]}

note "containers that cannot run"
pod() {  # NAME IMAGE COMMAND
  yaml create "{apiVersion: v1, kind: Pod, metadata: {name: $1}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: '$2', imagePullPolicy: IfNotPresent, command: [$3]}]}}"
}
waits_for() { k get pod "$1" -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}{" "}{.status.containerStatuses[0].lastState.terminated.reason}' | grep -E "$2"; }
expect pod no-image 127.0.0.1:1/no/such:image sleep
expect pod no-command "$IMAGE" no-such-program
expect pod bad-reference 'Not//An::Image' sleep
expect pod exits "$IMAGE" 'sh, -c, "echo last words; exit 3"'
eventually 60 waits_for no-image '^(ErrImagePull|ImagePullBackOff) '
eventually 60 waits_for no-image '^ImagePullBackOff '
eventually 60 waits_for no-command '^(RunContainerError|CrashLoopBackOff) StartError'
eventually 60 waits_for bad-reference '^InvalidImageName'
eventually 60 waits_for exits '^CrashLoopBackOff Error'
expect k describe pod no-command
says 'exec: "no-such-program": executable file not found in $PATH' "Exit Code:    128"
expect k describe pod no-image
says 'Failed to pull image "127.0.0.1:1/no/such:image"' "Back-off pulling image"
is "last words" k logs exits || fail "the output of a failed container"
is "last words" k logs exits --previous || fail "the output of the run before"
expect k get pods
says "CrashLoopBackOff"
refuse 'container "c" in pod "no-image" is waiting to start: ' k logs no-image
[[ $out == *"image can't be pulled"* || $out == *"trying and failing to pull image"* ]] || fail "$out"

note "the server is none the worse"
is ok k get --raw /readyz || fail "not ready"
uids=$(pod_uids)
expect k delete pods --all
eventually 60 no_pods
eventually 60 gone $uids
