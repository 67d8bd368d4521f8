#!/usr/bin/env bash
# What people do with kubectl all day, with each kubectl there is, on real containers.
source "$(dirname "$0")/lib.sh"

cat >"$WORK/tokens.csv" <<'CSV'
viewer-token,viewer,1001,"readers"
CSV
start_server --token-auth-file "$WORK/tokens.csv"

manifest() {  # REPLICAS WORD
  cat <<YAML
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: $1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: $IMAGE
        env:
        - {name: WORD, value: $2}
        command: [/bin/sh, -c, 'trap "exit 0" TERM; n=0; while true; do echo \$WORD \$n; n=\$((n+1)); sleep 1 & wait; done']
YAML
}
apply() { manifest "$@" >"$WORK/web.yaml" && k apply -f "$WORK/web.yaml"; }
rolled_out() { k rollout status deployment/web --timeout=90s; }
pods_are() { is "$1" k get pods -l app=web -o 'jsonpath={range .items[*]}{.status.phase}{" "}{end}'; }
words_are() {  # the environment in which every pod runs
  local words
  words=$(k get pods -l app=web -o 'jsonpath={range .items[*]}{.spec.containers[0].env[0].value}{"\n"}{end}' | sort -u)
  [ "$words" = "$1" ] || { echo "words: $words"; return 1; }
}

deployments() {
  note "apply, again, and changed"
  expect apply 2 one
  says "deployment.apps/web created"
  expect rolled_out
  says "successfully rolled out"
  expect apply 2 one
  says "deployment.apps/web unchanged"
  expect apply 3 one
  says "deployment.apps/web configured"
  expect rolled_out
  eventually 30 pods_are "Running Running Running "

  note "get"
  expect k get deployments
  says NAME READY UP-TO-DATE AVAILABLE AGE "3/3"
  expect k get deploy,rs,pods -o wide
  says "deployment.apps/web" "replicaset.apps/web-" "pod/web-" "CONTAINERS" "$IMAGE" "app=web" "node-a" "NOMINATED NODE"
  is "" k get pods -l app=web -o 'jsonpath={.items[?(@.status.podIP=="")].metadata.name}' || fail "pods without an address"
  expect k get deploy web -o yaml
  says "kind: Deployment" "replicas: 3" "uid: "
  expect k get deploy web -o json
  says '"kind": "Deployment"' '"replicas": 3'
  expect k get pods -l app=web -o name
  [ "$(wc -l <<<"$out")" = 3 ] || fail "not three pods: $out"
  is "" k get pods -l app=other -o name || fail "a selector selects what it should not"
  expect k get pods -A
  says NAMESPACE "default "
  expect k get nodes -o wide
  says node-a Ready INTERNAL-IP CONTAINER-RUNTIME runc://
  expect k get namespaces
  says default kube-system kube-public kube-node-lease Active

  note "get -w"
  local pod watch
  pod=$(k get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
  background "$WORK/watch" get pods "$pod" -w
  watch=$!
  eventually 20 grep -q "$pod" "$WORK/watch"
  expect k label pod "$pod" seen=yes
  eventually 20 eval '[ "$(grep -c "$pod" "$WORK/watch")" -ge 2 ]'
  kill "$watch"
  wait "$watch" 2>/dev/null || true

  note "describe"
  expect k describe pod "$pod"
  says "Controlled By:  ReplicaSet/web-" "State:          Running" "Ready:          True" "QoS Class:" "WORD:  one" \
    "Successfully assigned default/$pod to node-a" "Container started"
  expect k describe node node-a
  says "Capacity:" "Allocatable:" "Non-terminated Pods:" "$pod" "MemoryPressure" "KubeletReady" "Container Runtime Version:  runc://"
  expect k describe deployment web
  says "3 desired | 3 updated | 3 total | 3 available | 0 unavailable" "RollingUpdate" "MinimumReplicasAvailable" \
    "ScalingReplicaSet"

  note "scale"
  expect k scale deployment web --replicas=1
  says "deployment.apps/web scaled"
  eventually 60 pods_are "Running "
  expect k scale deployment web --replicas=2 --current-replicas=1
  expect rolled_out

  note "a new version, and back"
  expect apply 2 two
  expect rolled_out
  eventually 60 words_are two
  expect k rollout history deployment/web
  says "REVISION" "2"
  expect k rollout undo deployment/web
  says "deployment.apps/web rolled back"
  expect rolled_out
  eventually 60 words_are one
  expect k set image deployment/web main=docker.io/library/$IMAGE
  says "image updated"
  expect rolled_out
  eventually 60 is "docker.io/library/$IMAGE " k get deploy web -o 'jsonpath={range .spec.template.spec.containers[*]}{.image}{" "}{end}'
  expect k rollout restart deployment/web
  expect rolled_out
  eventually 60 pods_are "Running Running "

  note "logs"
  pod=$(k get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
  eventually 30 eval 'k logs "$pod" | grep -q "one 1"'
  expect k logs "$pod" --tail=1 --timestamps
  says "T" "Z one "
  is "one 0" k logs "$pod" --limit-bytes=5 || fail "--limit-bytes"
  background "$WORK/follow" logs -f "$pod"
  watch=$!
  local lines
  eventually 20 test -s "$WORK/follow"
  lines=$(wc -l <"$WORK/follow")
  eventually 20 eval '[ "$(wc -l <"$WORK/follow")" -gt '"$((lines + 1))"' ]'
  expect k delete pod "$pod"
  says "\"$pod\" deleted"
  wait "$watch" || fail "logs -f does not end with its container"
  refuse "\"$pod\" not found" k logs "$pod"

  note "label, annotate"
  expect k label deployment web tier=front
  says "deployment.apps/web labeled"
  refuse "already has a value" k label deployment web tier=back
  expect k label deployment web tier=back --overwrite
  expect k get deployments -l 'tier in (back),!other' -o name
  says "deployment.apps/web"
  expect k label deployment web tier-
  expect k annotate deployment web note="hello there"
  is "hello there" k get deploy web -o 'jsonpath={.metadata.annotations.note}' || fail "annotation"

  note "delete"
  expect k delete deployment web
  says 'deployment.apps "web" deleted'
  eventually 60 is "" k get deploy,rs,pods -o name
}

patches() {
  note "patches of each kind"
  expect k create configmap settings --from-literal=a=1 --from-literal=b=2
  says "configmap/settings created"
  expect k patch configmap settings -p '{"data":{"a":"strategic"}}'
  expect k patch configmap settings --type=merge -p '{"data":{"b":null,"c":"merge"}}'
  expect k patch configmap settings --type=json -p '[{"op":"test","path":"/data/c","value":"merge"},{"op":"add","path":"/data/d","value":"json"}]'
  is '{"a":"strategic","c":"merge","d":"json"}' k get configmap settings -o 'jsonpath={.data}' || fail "patched otherwise"
  refuse "(NotFound)" k patch configmap other -p '{"data":{"a":"1"}}'
  expect k delete configmap settings

  note "a strategic merge patch knows the containers' names"
  expect yaml create "{apiVersion: v1, kind: PodTemplate, metadata: {name: t}, template: {spec: {containers: [{name: a, image: one}, {name: b, image: two}]}}}"
  expect k patch podtemplate t -p '{"template":{"spec":{"containers":[{"name":"b","image":"three"}]}}}'
  is "a=one b=three " k get podtemplate t -o 'jsonpath={range .template.spec.containers[*]}{.name}={.image}{" "}{end}' || fail "merged otherwise"
  expect k delete podtemplate t
}

server_side_apply() {
  note "apply --server-side"
  local settings='{apiVersion: v1, kind: ConfigMap, metadata: {name: owned}, data: {a: "1", b: "1"}}'
  expect yaml apply --server-side --field-manager=one "$settings"
  says "serverside-applied"
  refuse 'conflict with "one"' yaml apply --server-side --field-manager=two "${settings/b: \"1\"/b: \"2\"}"
  expect yaml apply --server-side --field-manager=two --force-conflicts "${settings/b: \"1\"/b: \"2\"}"
  expect yaml apply --server-side --field-manager=one '{apiVersion: v1, kind: ConfigMap, metadata: {name: owned}, data: {a: "1"}}'
  is '{"a":"1","b":"2"}' k get configmap owned -o 'jsonpath={.data}' || fail "applied otherwise"
  expect k delete configmap owned
}

from_client_to_server_side_apply() {
  note "apply, then apply --server-side, beside others"
  local mine='{apiVersion: v1, kind: ConfigMap, metadata: {name: shared}, data: {mine: "1"}}'
  local job='{apiVersion: batch/v1, kind: Job, metadata: {name: once}, spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}'
  expect yaml apply "$mine"
  expect k patch configmap shared --type=merge -p '{"data":{"theirs":"2"}}'
  expect k label configmap shared team=ours
  expect yaml apply "$job"
  for _ in first second; do
    expect yaml apply --server-side "$mine"
    is "1 2 ours" k get configmap shared -o 'jsonpath={.data.mine} {.data.theirs} {.metadata.labels.team}' ||
      fail "what others have set is gone"
    expect yaml apply --server-side "$job"
  done
  # What is applied no more goes, and what others have set stays.
  expect yaml apply --server-side '{apiVersion: v1, kind: ConfigMap, metadata: {name: shared}, data: {other: "3"}}'
  is " 2 3 ours" k get configmap shared -o 'jsonpath={.data.mine} {.data.theirs} {.data.other} {.metadata.labels.team}' ||
    fail "applied no more, or set by others"
  expect k delete configmap shared
  expect k delete job once --cascade=orphan
}

discovery() {
  note "api-resources, api-versions, explain"
  expect k api-resources
  says "deployments" "deploy" "apps/v1" "customresourcedefinitions" "NAMESPACED"
  expect k api-versions
  says "apps/v1" "rbac.authorization.k8s.io/v1" "v1"
  expect k explain deployment.spec.strategy
  says "rollingUpdate" "type" "<string>"
  expect k explain pods.spec.containers
  says "image" "livenessProbe"
  expect k version
  says "36"
  expect k cluster-info
  says "is running at"
}

tokens() {
  note "a bearer token and what its user may do"
  local -a viewer=(--server "$URL" --certificate-authority "$WORK/certificate-authority-data" --token viewer-token)
  credentials
  as_viewer() { "$KUBECTL" --kubeconfig /dev/null "${viewer[@]}" "$@"; }
  refuse 'pods is forbidden: User "viewer" cannot list resource "pods" in API group "" in the namespace "default"' \
    as_viewer get pods
  expect k create clusterrolebinding viewers --clusterrole=view --group=readers
  eventually 10 as_viewer get pods
  refuse 'configmaps is forbidden: User "viewer" cannot create resource "configmaps" in API group "" in the namespace "default"' \
    as_viewer create configmap x
  is no as_viewer auth can-i delete pods || fail "can-i delete"
  is yes as_viewer auth can-i list pods || fail "can-i list"
  refuse "must be logged in" "$KUBECTL" --kubeconfig /dev/null --server "$URL" \
    --certificate-authority "$WORK/certificate-authority-data" --token wrong get pods
  expect k delete clusterrolebinding viewers
}

for KUBECTL in "${kubectls[@]}"; do
  note "$KUBECTL"
  deployments
  patches
  # The flag has been in kubectl since 1.16; field managers of one's own since 1.18.
  server_side_apply
  # The way from one to the other is kubectl's own from 1.26 on.
  is_kubectl_1_20 || from_client_to_server_side_apply
  discovery
  tokens
done
