#!/usr/bin/env bash
# The network of pods: a web service is found by name and rolled forward under load without a failed request, from pods, by
# its node port and from the machine; DNS inside a pod; a policy that cuts and opens. Nothing of it is left.
source "$(dirname "$0")/lib.sh"

readonly CLIENT=curl:1

# An image with curl, which finds names as programs do, and busybox for the rest.
pack_client() {
  local rootfs=$WORK/client file
  mkdir -p "$rootfs"/{bin,tmp,etc,proc,sys,dev}
  cp "$(command -v busybox)" "$rootfs/bin/busybox"
  for file in sh cat sleep nslookup grep httpd echo; do ln -sf busybox "$rootfs/bin/$file"; done
  cp "$(command -v curl)" "$rootfs/bin/curl"
  ldd "$(command -v curl)" | grep -o '/[^ ]*' | while read -r file; do
    mkdir -p "$rootfs${file%/*}"
    cp -L "$file" "$rootfs$file"
  done
  "$MINIKUBE" image pack "$rootfs" --name "$CLIENT" --data-dir "$DATA" >/dev/null
  rm -rf "$rootfs"
}

# The part of the names of this cluster's tables that is its own: FNV-1a of the data directory.
cluster_id() {
  local text hash=$((0xcbf29ce484222325)) i
  text=$(readlink -f "$DATA")
  for ((i = 0; i < ${#text}; i++)); do hash=$(((hash ^ $(printf %d "'${text:i:1}")) * 0x100000001b3)); done
  printf %016x "$hash"
}
tables() { nft list tables | grep -o "minikube_$(cluster_id)_[a-z]*" | sort | tr '\n' ' '; }

web() {  # VERSION
  yaml apply "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: main
        image: $IMAGE
        command: [sh, -c, 'echo $1 \$(hostname) >/tmp/index.html; trap \"exit 0\" TERM; httpd -p 8080 -h /tmp; while true; do sleep 1 & wait; done']
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
        lifecycle: {preStop: {exec: {command: [sleep, '2']}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
"
}
# A pod that runs a shell command: NAME LABEL COMMAND [POD FIELDS]
run_pod() {
  yaml create "{apiVersion: v1, kind: Pod, metadata: {name: $1, labels: {app: $2}}, spec: {restartPolicy: Never,
    terminationGracePeriodSeconds: 1, ${4:-} containers: [{name: main, image: \"$CLIENT\", command: [sh, -c, '$3']}]}}"
}
succeeded() { is Succeeded k get pod "$1" -o 'jsonpath={.status.phase}'; }
# What a command says in a pod of that label; it must succeed within a minute.
pods=0
in_pod() {  # LABEL COMMAND [POD FIELDS]
  pods=$((pods + 1))
  expect run_pod "ask-$pods" "$@"
  eventually 60 succeeded "ask-$pods"
  local answer
  answer=$(k logs "ask-$pods")
  expect k delete pod "ask-$pods" --wait=false
  out=$answer
}

pack_client
start_server
eventually 20 is "minikube_$(cluster_id)_policies minikube_$(cluster_id)_services " tables
is 10.96.0.10 k get service -n kube-system kube-dns -o 'jsonpath={.spec.clusterIP}' || fail "no DNS service"

note "a web service is found by name"
expect web one
expect k rollout status deployment/web --timeout=90s
address=$(k get service web -o 'jsonpath={.spec.clusterIP}')
port=$(k get service web -o 'jsonpath={.spec.ports[0].nodePort}')
in_pod client 'curl -sS --max-time 5 http://web/; curl -sS --max-time 5 http://web.default.svc.cluster.local/; nslookup -type=a web.default.svc.cluster.local; cat /etc/resolv.conf'
says "one web-" "$address" "nameserver 10.96.0.10" "search default.svc.cluster.local svc.cluster.local cluster.local" "options ndots:5"
in_pod client 'nslookup -type=srv _http._tcp.web.default.svc.cluster.local; nslookup -type=ptr '"$(awk -F. '{print $4"."$3"."$2"."$1}' <<<"$address")"'.in-addr.arpa; nslookup gone.default.svc.cluster.local || echo no such name'
says "0 100 80 web.default.svc.cluster.local" "name = web.default.svc.cluster.local" "NXDOMAIN" "no such name"

note "a headless service's pods have names"
expect yaml create "{apiVersion: v1, kind: Service, metadata: {name: each}, spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 8080}]}}"
in_pod client 'until nslookup -type=a each.default.svc.cluster.local >/tmp/all; do sleep 0.2; done; grep -c "Address: 10.244" /tmp/all'
says 3

note "node port, from the machine and by its addresses"
for host in "127.0.0.1:$port" "$address:80"; do
  expect curl -sS --max-time 5 "http://$host/"
  says "one web-"
done
in_pod client "curl -sS --max-time 5 http://$(ip -4 -o addr show scope global | awk '{ sub(/\/.*/, "", $4); print $4; exit }'):$port/"
says "one web-"

note "a service without endpoints refuses at once"
expect yaml create "{apiVersion: v1, kind: Service, metadata: {name: nobody}, spec: {selector: {app: nobody}, ports: [{port: 80}]}}"
in_pod client 'curl -sS --max-time 20 http://nobody/ 2>&1 || echo "refused with $?"'
says "refused with 7"  # could not connect; 28 is a timeout

note "rolled forward under load, without a failed request"
expect run_pod load client 'n=0; bad=0; while [ "$(curl -sS --max-time 5 http://end.default.svc.cluster.local./ 2>/dev/null)" != end ]; do if curl -sS --max-time 5 http://web/ >/tmp/answer 2>&1; then n=$((n + 1)); else bad=$((bad + 1)); cat /tmp/answer; fi; done; echo "asked $n failed $bad"'
(
  asked=0 failed=0
  while [ ! -e "$WORK/rolled" ]; do
    if curl -sS --max-time 5 "http://127.0.0.1:$port/" >/dev/null 2>>"$WORK/curl"; then asked=$((asked + 1)); else failed=$((failed + 1)); fi
  done
  echo "asked $asked failed $failed" >"$WORK/by-port"
) &
children+=("$!")
loader=$!
eventually 60 is Running k get pod load -o 'jsonpath={.status.phase}'
expect web two
expect k rollout status deployment/web --timeout=120s
expect web three
expect k rollout status deployment/web --timeout=120s
touch "$WORK/rolled"
wait "$loader"
out=$(<"$WORK/by-port")
says "failed 0"
[[ $out != "asked 0 "* ]] || fail "nothing was asked by the node port"
echo "by_node_port $out"
# The pod's own load ends when a service says so.
expect run_pod end end 'echo end >/tmp/index.html; exec httpd -f -p 8080 -h /tmp'
expect yaml create "{apiVersion: v1, kind: Service, metadata: {name: end}, spec: {selector: {app: end}, ports: [{port: 80, targetPort: 8080}]}}"
eventually 60 succeeded load
out=$(k logs load)
says "failed 0"
[[ $out != *"asked 0 "* ]] || fail "nothing was asked by name"
echo "by_name $out"
in_pod client 'curl -sS --max-time 5 http://web/'
says "three web-"

note "a policy cuts and opens"
policy() { yaml apply "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web}, spec: {podSelector: {matchLabels: {app: web}}, ingress: [$1]}}"; }
expect policy ""
in_pod client 'n=0; while curl -sS --max-time 1 http://web/ >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 200 ] || exit 1; done; echo cut'
says cut
expect policy "{from: [{podSelector: {matchLabels: {app: friend}}}], ports: [{port: http}]}"
in_pod friend 'n=0; until curl -sS --max-time 1 http://web/; do n=$((n + 1)); [ $n -lt 30 ] || exit 1; done'
says "three web-"
in_pod client 'curl -sS --max-time 2 http://web/ 2>&1 || echo still cut'
says "still cut"
expect curl -sS --max-time 5 "http://127.0.0.1:$port/"
expect k delete networkpolicy web
in_pod client 'n=0; until curl -sS --max-time 1 http://web/; do n=$((n + 1)); [ $n -lt 30 ] || exit 1; done'
says "three web-"

note "a killed server's rules stay, and are found again"
stop_server KILL
expect curl -sS --max-time 5 "http://127.0.0.1:$port/"
start_server
in_pod client 'curl -sS --max-time 5 http://web/'
says "three web-"

note "names of others, and pods on the host's network"
in_pod client 'cat /etc/resolv.conf' 'dnsPolicy: Default,'
[[ $out != *10.96.0.10* ]] || fail "dnsPolicy Default: $out"
in_pod client 'nslookup -type=a web.default.svc.cluster.local; curl -sS --max-time 5 http://web/' 'hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet,'
says "$address" "three web-"

note "nothing is left"
expect k delete deployment web
expect k delete pods --all --grace-period=1 --wait=false
eventually 60 no_pods
eventually 60 gone
stop_server TERM
is "" tables || fail "tables are left: $(tables)"
