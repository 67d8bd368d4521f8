#!/usr/bin/env bash
# The API server alone, no node: what kubectl's commands do to objects, each with each kubectl there is.
source "$(dirname "$0")/lib.sh"

node_ready() { k get --raw /readyz >/dev/null; }  # there is none: the server is ready when it says so
start_server --no-agent --no-scheduler

manifest() {  # IMAGE
  cat <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "$1", ports: [{containerPort: 80}]}]}
YAML
}
image() { is "$1" k get deploy web -o 'jsonpath={.spec.template.spec.containers[0].image}'; }
replicas() { is "$1" k get deploy web -o 'jsonpath={.spec.replicas}'; }
pods_exist() { [ "$(k get pods -l app=web -o name | wc -l)" = "$1" ]; }

creates() {
  note "kubectl create"
  local -A made=(
    [configmap/settings]="configmap settings --from-literal=a=1"
    [secret/password]="secret generic password --from-literal=a=1"
    [secret/registry]="secret docker-registry registry --docker-server=s --docker-username=u --docker-password=p"
    [deployment.apps/idle]="deployment idle --image=x --replicas=0"
    [job.batch/once]="job once --image=x -- true"
    [service/inside]="service clusterip inside --tcp=80:8080"
    [service/outside]="service nodeport outside --tcp=80"
    [service/balanced]="service loadbalancer balanced --tcp=80"
    [service/elsewhere]="service externalname elsewhere --external-name=example.com"
    [role.rbac.authorization.k8s.io/reader]="role reader --verb=get --resource=pods"
    [clusterrole.rbac.authorization.k8s.io/reader]="clusterrole reader --verb=get,list --resource=pods,deployments.apps"
    [rolebinding.rbac.authorization.k8s.io/readers]="rolebinding readers --role=reader --user=u"
    [clusterrolebinding.rbac.authorization.k8s.io/readers]="clusterrolebinding readers --clusterrole=reader --group=g"
    [serviceaccount/robot]="serviceaccount robot"
    [resourcequota/bound]="quota bound --hard=pods=2,cpu=1"
    [priorityclass.scheduling.k8s.io/urgent]="priorityclass urgent --value=100"
    [namespace/side]="namespace side"
  )
  # Of groups that Debian's kubectl knows in versions that are gone.
  is_kubectl_1_20 || made+=(
    [cronjob.batch/often]="cronjob often --image=x --schedule=0/5_*_*_*_* -- date"
    [poddisruptionbudget.policy/careful]="poddisruptionbudget careful --selector=app=web --min-available=1"
    [ingress.networking.k8s.io/front]="ingress front --rule=example.com/=inside:80"
  )
  local name words
  for name in "${!made[@]}"; do
    read -ra words <<<"${made[$name]}"
    expect k create "${words[@]//_/ }"
    says "$name created"
    expect k describe "$name"
    expect k get "$name" -o yaml
    says "uid: "
  done
  refuse "already exists" k create configmap settings
  for name in "${!made[@]}"; do expect k delete "$name"; done
  is "" k get configmap settings --ignore-not-found || fail "not deleted"
}

changes() {
  note "patch, replace, edit, diff, scale, autoscale, set"
  manifest one >"$WORK/web.yaml"
  expect k apply -f "$WORK/web.yaml"
  eventually 30 pods_exist 2
  expect k scale deploy web --replicas=1
  replicas 1 || fail "the scale subresource"
  expect k patch deploy web --type=json -p '[{"op":"replace","path":"/spec/replicas","value":3}]'
  replicas 3 || fail "a JSON patch"
  refuse 'cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32' \
    k patch deploy web -p '{"spec":{"replicas":"many"}}'
  refuse 'map[spec:map[replicas:many]]' k patch deploy web -p '{"spec":{"replicas":"many"}}'
  EDITOR="sed -i s/replicas:.3/replicas:\ 2/" expect k edit deploy web
  replicas 2 || fail "an edit"
  k get deploy web -o yaml | sed 's/image: one/image: two/' >"$WORK/changed.yaml"
  expect k replace -f "$WORK/changed.yaml"
  image two || fail "a replacement"
  refuse "the object has been modified" k replace -f "$WORK/changed.yaml"
  expect k replace --force -f "$WORK/web.yaml"
  image one || fail "a forced replacement"
  manifest three >"$WORK/web.yaml"
  refuse "image: three" k diff -f "$WORK/web.yaml"
  image one || fail "a diff changes something"
  expect k apply --dry-run=server -f "$WORK/web.yaml"
  image one || fail "a dry run changes something"
  refuse "Expected replicas to be 9, was 2" k scale deploy web --replicas=1 --current-replicas=9
  expect k autoscale deploy web --min=1 --max=3
  expect k describe hpa web
  says "Deployment/web"
  expect k set image deploy/web main=four
  expect k set env deploy/web A=b
  expect k set resources deploy/web --limits=cpu=1
  expect k set serviceaccount deploy/web default
  is "four b 1 default" k get deploy web -o \
    'jsonpath={.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].value} {.spec.template.spec.containers[0].resources.limits.cpu} {.spec.template.spec.serviceAccountName}' ||
    fail "kubectl set"
  expect k expose deploy web --port=80
  is 80 k get service web -o 'jsonpath={.spec.ports[0].targetPort}' || fail "kubectl expose"

  note "rollout"
  expect k rollout pause deploy web
  refuse "already paused" k rollout pause deploy web
  expect k rollout resume deploy web
  expect k rollout restart deploy web
  eventually 30 eval 'k rollout history deploy web | grep -q "^2"'
  expect k rollout undo deploy web --to-revision=1
  image one || fail "rollout undo"
  refuse "unable to find specified revision 99" k rollout undo deploy web --to-revision=99
}

reads() {
  note "get, in every form"
  expect k get pods --sort-by=.metadata.name -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image
  says "NAME" "IMAGE" "web-"
  is "$(k get pods -o name)" k get pods --chunk-size=1 -o name || fail "pages differ from the whole"
  expect k get pods --field-selector=status.phase=Pending,spec.nodeName= -o name
  says "pod/web-"
  refuse "field label not supported: spec.foo" k get pods --field-selector=spec.foo=bar
  refuse "timed out waiting" k wait --for=condition=Available deploy/web --timeout=1s
  local pod
  pod=$(k get pods -o 'jsonpath={.items[0].metadata.name}')
  is "" k logs "$pod" || fail "the log of a pod that nobody runs"
  refuse "does not have a host assigned" k exec "$pod" -- true
  refuse "does not have a host assigned" \
    k create --raw "/api/v1/namespaces/default/pods/$pod/portforward" -f /dev/null
  refuse "Metrics API not available" k top pods
  expect k get componentstatuses
  says "etcd-0" "Healthy" "ComponentStatus is deprecated"
  if ! is_kubectl_1_20; then  # which has no --subresource
    expect k get deploy web --subresource=scale
    says "DESIRED" "AVAILABLE"
  fi
  is "Client sent an HTTP request to an HTTPS server." curl -sS "${URL/https/http}" || fail "plain HTTP"
  expect k auth can-i create pods
  is no k auth can-i create pods --as=somebody || fail "can-i"
  expect k get --raw '/readyz?verbose'
  says "[+]etcd ok"
  refuse NotFound k get --raw /nothing
}

nodes() {
  note "taint, cordon, drain"
  yaml create '{apiVersion: v1, kind: Node, metadata: {name: far}}'
  expect k taint node far dedicated=x:NoSchedule
  expect k taint node far dedicated-
  expect k cordon far
  expect k get nodes
  says "SchedulingDisabled"
  local pod
  pod=$(k get pods -o 'jsonpath={.items[0].metadata.name}')
  local binding
  printf -v binding '{"apiVersion":"v1","kind":"Binding","metadata":{"name":"%s"},"target":{"kind":"Node","name":"far"}}' "$pod"
  api POST "/api/v1/namespaces/default/pods/$pod/binding" -H 'Content-Type: application/json' -d "$binding"
  [ "$code" = 201 ] || fail "binding: $out"
  api POST "/api/v1/namespaces/default/pods/$pod/binding" -H 'Content-Type: application/json' -d "$binding"
  says "is already assigned to node"
  # Nobody there confirms that the pod has gone, so drain waits for it in vain.
  k drain far --ignore-daemonsets --force --timeout=2s >/dev/null 2>&1 || true
  eventually 10 eval '[ -n "$(k get pod "$pod" -o "jsonpath={.metadata.deletionTimestamp}")" ]'
  expect k delete pod "$pod" --grace-period=0 --force
  expect k delete node far
}

deletes() {
  note "delete: orphans, dependents first, everything"
  expect k delete deploy web --cascade=orphan
  [ -n "$(k get rs -l app=web -o name)" ] || fail "orphans are gone"
  expect k delete rs -l app=web
  eventually 30 pods_exist 0
  expect k delete all --all
  eventually 15 k get service kubernetes
  refuse "this namespace may not be deleted" k delete namespace default
  refuse NotFound k delete pod nothing
  expect k delete pod nothing --ignore-not-found
}

for KUBECTL in "${kubectls[@]}"; do
  note "$KUBECTL"
  creates
  changes
  reads
  nodes
  deletes
done
