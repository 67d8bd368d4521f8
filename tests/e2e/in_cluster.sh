#!/usr/bin/env bash
# Programs in pods reach the API server as client libraries do: KUBERNETES_SERVICE_HOST and _PORT, and what is mounted at
# /var/run/secrets/kubernetes.io/serviceaccount. And tokens of service accounts, with each kubectl there is.
source "$(dirname "$0")/lib.sh"

readonly CLIENT=curl:1
readonly ACCOUNT=/var/run/secrets/kubernetes.io/serviceaccount

# An image with curl and what it needs, beside busybox.
pack_client() {
  local rootfs=$WORK/client file
  mkdir -p "$rootfs"/{bin,tmp,etc,proc,sys,dev}
  cp "$(command -v busybox)" "$rootfs/bin/busybox"
  for file in sh cat sleep; do ln -sf busybox "$rootfs/bin/$file"; done
  cp "$(command -v curl)" "$rootfs/bin/curl"
  ldd "$(command -v curl)" | grep -o '/[^ ]*' | while read -r file; do
    mkdir -p "$rootfs${file%/*}"
    cp -L "$file" "$rootfs$file"
  done
  "$MINIKUBE" image pack "$rootfs" --name "$CLIENT" --data-dir "$DATA" >/dev/null
  rm -rf "$rootfs"
}

# run_client NAME PATH [POD FIELDS]: a pod that asks the API server for PATH, and says the HTTP status below the answer.
run_client() {
  yaml create "{apiVersion: v1, kind: Pod, metadata: {name: $1}, spec: {restartPolicy: Never, ${3:-} containers: [{name: main,
    image: \"$CLIENT\", command: [sh, -c, 'cat $ACCOUNT/namespace; echo; exec curl -sS --max-time 20 --cacert $ACCOUNT/ca.crt
    -H \"Authorization: Bearer \$(cat $ACCOUNT/token)\" -w \"status %{http_code}\"
    \"https://\$KUBERNETES_SERVICE_HOST:\$KUBERNETES_SERVICE_PORT$2\"']}]}}"
}
ended() { [[ $(k get pod "$1" -o 'jsonpath={.status.phase}') =~ Succeeded|Failed ]]; }
answer() {
  eventually 60 ended "$1"
  out=$(k logs "$1")
}

endpoint() {
  note "the endpoint of the service"
  expect k get endpoints kubernetes -o 'jsonpath={.subsets[0].addresses[0].ip}:{.subsets[0].ports[0].port} {.subsets[0].ports[0].name}'
  says ":${URL##*:} https"
  [[ $out != 127.* ]] || fail "an address that pods cannot reach: $out"
  expect k get endpointslices -l kubernetes.io/service-name=kubernetes -o 'jsonpath={.items[*].metadata.name} {.items[*].addressType}'
  says "kubernetes IPv4"
}

clients() {
  note "a pod is its service account"
  expect run_client as-default /api/v1/namespaces/default/pods
  answer as-default
  says "default" "status 403" 'User \"system:serviceaccount:default:default\" cannot list resource \"pods\"'

  note "and may what its account may"
  expect k create serviceaccount reader
  expect k create rolebinding reader --clusterrole=view --serviceaccount=default:reader
  expect run_client as-reader /api/v1/namespaces/default/pods "serviceAccountName: reader,"
  answer as-reader
  says "status 200" '"name": "as-reader"'

  note "by the endpoint's address and the server's names, too"
  local endpoint
  endpoint=$(k get endpoints kubernetes -o 'jsonpath={.subsets[0].addresses[0].ip}:{.subsets[0].ports[0].port}')
  expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: names}, spec: {restartPolicy: Never, containers: [{name: main,
    image: \"$CLIENT\", command: [sh, -c, 'for name in kubernetes kubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local; do
    curl -sS --max-time 20 --cacert $ACCOUNT/ca.crt --connect-to \"::\$KUBERNETES_SERVICE_HOST:443\" https://\$name/readyz && echo \" \$name\"; done;
    curl -sS --max-time 20 --cacert $ACCOUNT/ca.crt https://$endpoint/readyz && echo \" endpoint\"']}]}}"
  answer names
  says "ok kubernetes"$'\n' "ok kubernetes.default"$'\n' "ok kubernetes.default.svc"$'\n' "ok kubernetes.default.svc.cluster.local"$'\n' "ok endpoint"

  note "nothing where it is not wanted"
  expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: without}, spec: {restartPolicy: Never, automountServiceAccountToken: false,
    containers: [{name: main, image: \"$CLIENT\", command: [sh, -c, 'ls $ACCOUNT 2>&1; cat $ACCOUNT/token || echo no token']}]}}"
  answer without
  says "no token"
  expect k delete pod as-default as-reader names without
}

tokens() {
  note "create token, auth whoami, can-i"
  local token
  token=$(k create token reader --duration=20m) || fail "create token"
  [[ $token == *.*.* ]] || fail "not a token: $token"
  local as=(env KUBECONFIG=/dev/null "$KUBECTL" --server "$URL" --certificate-authority "$WORK/ca.crt" --token "$token")
  expect "${as[@]}" auth whoami
  says "system:serviceaccount:default:reader" "system:serviceaccounts:default" "system:authenticated" \
    "authentication.kubernetes.io/credential-id"
  is yes "${as[@]}" auth can-i list pods || fail "may not list pods"
  is no "${as[@]}" auth can-i delete pods || fail "may delete pods"
  expect "${as[@]}" get pods
  refuse "is forbidden" "${as[@]}" get secrets
  refuse "10 minutes" k create token reader --duration=1m
  refuse "not found" k create token nobody

  note "bound to a pod, and for others"
  expect yaml create "{apiVersion: v1, kind: Pod, metadata: {name: bound}, spec: {serviceAccountName: reader, nodeName: nowhere,
    containers: [{name: main, image: \"$IMAGE\"}]}}"
  token=$(k create token reader --bound-object-kind=Pod --bound-object-name=bound) || fail "create a bound token"
  as[${#as[@]}-1]=$token
  expect "${as[@]}" get pods
  expect k delete pod bound --grace-period=0 --force
  refuse "Unauthorized" "${as[@]}" get pods
  as[${#as[@]}-1]=$(k create token reader --audience=vault) || fail "create a token for vault"
  refuse "Unauthorized" "${as[@]}" get pods

  note "gone with the account"
  as[${#as[@]}-1]=$(k create token reader) || fail "create token"
  expect "${as[@]}" get pods
  expect k delete serviceaccount reader
  expect k delete rolebinding reader
  refuse "Unauthorized" "${as[@]}" get pods
}


pack_client
start_server
credentials
cp "$WORK/certificate-authority-data" "$WORK/ca.crt"
endpoint
for KUBECTL in "${kubectls[@]}"; do
  note "with $("$KUBECTL" version --client 2>/dev/null | head -n 1)"
  clients
  ! is_kubectl_1_20 || continue  # create token is there since v1.24
  tokens
done
note "after a restart, with the same key"
stop_server TERM
start_server
expect run_client again /api/v1/namespaces/default/pods
answer again
says "status 403"
expect k delete pod again

