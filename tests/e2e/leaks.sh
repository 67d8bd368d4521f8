#!/usr/bin/env bash
# What a Deployment leaves on the machine when it is deleted: nothing. Nor do as many pods as a node takes.
source "$(dirname "$0")/lib.sh"
PODS=${PODS:-100}
start_server

deployment() {  # NAME REPLICAS
  yaml apply "
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: $2
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      terminationGracePeriodSeconds: 1
      volumes: [{name: scratch, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}]
      containers:
      - name: main
        image: $IMAGE
        command: [/bin/sleep, '100000']
        volumeMounts: [{name: scratch, mountPath: /scratch}, {name: memory, mountPath: /memory}]
"
}
# What this server's pods could leave: processes, sandboxes' and containers' directories, cgroups, interfaces, network
# namespaces, mounts, pods' files, and descriptors of the server itself.
footprint() {
  echo "processes $(own_processes | wc -l)"
  echo "files $(find "$DATA"/runtime/{sandboxes,containers,run} "$DATA"/agent/{pods,logs} -mindepth 1 2>/dev/null | grep -cv '/logs/pods$')"
  echo "mounts $(grep -cF "$WORK" /proc/mounts)"
  echo "bridges $(grep -lx "minikube $(printf %s "$(readlink -f "$DATA")/runtime" | sha256sum | cut -c1-32)" /sys/class/net/*/ifalias 2>/dev/null | wc -l)"
}
descriptors() { ls "/proc/$server_pid/fd" | wc -l; }
threads() { ls "/proc/$server_pid/task" | wc -l; }
resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$server_pid/status"; }
pods_running() { k get pods -l "app=$1" --field-selector=status.phase=Running -o name | wc -l; }

note "a Deployment comes and goes"
expect deployment first 3
expect k rollout status deployment/first --timeout=60s
uids=$(pod_uids)
namespaces=$(for pid in $(own_processes); do readlink "/proc/$pid/ns/net"; done | sort -u)
expect k delete deployment first
eventually 60 no_pods
eventually 60 gone $uids
before=$(footprint)
descriptors_before=$(descriptors)
threads_before=$(threads)

note "$PODS pods"
resident_before=$(resident)
begin=$(date +%s%N)
expect deployment many "$PODS"
eventually 300 is "$PODS" pods_running many
took=$((($(date +%s%N) - begin) / 1000000))
resident_running=$(resident)
is "$PODS" eval 'k get pods -l app=many -o "jsonpath={range .items[*]}{.status.podIP}{\"\n\"}{end}" | grep -c . ' || fail "pods without an address"
[ "$(k get pods -l app=many -o 'jsonpath={range .items[*]}{.status.podIP}{"\n"}{end}' | sort -u | wc -l)" = "$PODS" ] ||
  fail "two pods with one address"
uids=$(pod_uids)
begin=$(date +%s%N)
expect k delete deployment many
eventually 300 no_pods
gone_after=$((($(date +%s%N) - begin) / 1000000))
eventually 60 gone $uids
eventually 60 is "$before" footprint
eventually 60 eval '[ "$(descriptors)" -le '"$((descriptors_before + 3))"' ]'
eventually 60 eval '[ "$(threads)" -le '"$((threads_before + 1))"' ]'
echo "pods_running_ms $took ms ($PODS pods)"
echo "pods_gone_ms $gone_after ms ($PODS pods)"
echo "server_resident_kb $resident_before before, $resident_running with $PODS pods, $(resident) after"

note "no network namespace is left"
# The kernel gives a number again once it is free: another test on this machine may hold it for a while.
released() {
  local held namespace
  held=$(for dir in /proc/[0-9]*; do readlink "$dir/ns/net" 2>/dev/null || true; done | sort -u)
  for namespace in $namespaces; do
    [ "$namespace" = "$(readlink /proc/self/ns/net)" ] || ! grep -qF "$namespace" <<<"$held" ||
      { echo "$namespace is left"; return 1; }
  done
}
eventually 120 released
