# For the tests of this folder, each a bash program that sources this one: starts servers of the executable under test in
# a directory of its own, with an image made from busybox, and leaves nothing behind.
#
# From the environment: MINIKUBE (the executable), KUBECTLS (the kubectl programs to test with, separated by ':').
# A test that cannot run here exits with 77; where CI=true that is a failure.
set -euo pipefail

readonly IMAGE=busybox:1
NODE=${NODE:-node-a}

cannot_run() {
  echo "cannot run here: $1" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
}

note() { echo "--- $*" >&2; }

fail() {
  local i=1  # the innermost line of the test itself
  while [ -n "${BASH_SOURCE[i+1]:-}" ] && [[ ${BASH_SOURCE[i]} == */lib.sh ]]; do i=$((i + 1)); done
  echo "FAILED (${BASH_SOURCE[i]##*/}:${BASH_LINENO[i-1]}): $*" >&2
  show_state
  exit 1
}

[ "$(id -u)" = 0 ] || cannot_run "not root"
for program in runc busybox nft curl openssl; do
  command -v "$program" >/dev/null || cannot_run "no $program"
done
[ -x "${MINIKUBE:?}" ] || cannot_run "no $MINIKUBE"

# All kubectl programs that are here; KUBECTL is the one in use.
kubectls=()
IFS=: read -ra wanted_kubectls <<<"${KUBECTLS:-kubectl}"
for program in "${wanted_kubectls[@]}"; do
  if path=$(command -v "$program"); then kubectls+=("$path"); else missing_kubectl=$program; fi
done
[ ${#kubectls[@]} -gt 0 ] || cannot_run "no kubectl"
[ -z "${missing_kubectl:-}" ] || [ "${CI:-}" != true ] || cannot_run "no $missing_kubectl"
KUBECTL=${kubectls[0]}
# Whether KUBECTL is Debian's, whatever its name: it lacks what came later.
is_kubectl_1_20() { "$KUBECTL" version --client 2>/dev/null | grep -q 'v1\.20\.'; }

WORK=$(mktemp -d "${TMPDIR:-/tmp}/minikube-e2e.XXXXXX")
DATA=$WORK/data
export HOME=$WORK/home  # kubectl's caches; no configuration of the machine's user
mkdir -p "$HOME"
unset KUBECONFIG
server_pid=
children=()  # further processes of the test, to be ended with it

# k ARGUMENT...: kubectl on the running server.
k() { timeout 120 "$KUBECTL" --kubeconfig "$DATA/kubeconfig" "$@"; }

# background FILE ARGUMENT...: kubectl in the background, its output in FILE, its process in $!. Ends with the test.
background() {
  local file=$1
  shift
  timeout 120 "$KUBECTL" --kubeconfig "$DATA/kubeconfig" "$@" >"$file" 2>&1 &
  children+=("$!")
}

# yaml COMMAND... TEXT: `k COMMAND` on YAML in one line. (Without the first line kubectl takes braces for JSON.)
yaml() { k "${@:1:$#-1}" -f - <<<"---"$'\n'"${*: -1}"; }

# eventually SECONDS COMMAND...: until COMMAND succeeds. Its output is shown if it never does.
eventually() {
  local deadline=$((SECONDS + $1)) out
  shift
  until out=$("$@" 2>&1); do
    if [ $SECONDS -ge "$deadline" ]; then
      echo "$out" >&2
      fail "never came true: $*"
    fi
    read -rt 0.1 <><(:) || true
  done
}

# expect COMMAND...: COMMAND succeeds; its output is in $out.
expect() {
  local status=0
  out=$("$@" 2>&1) || status=$?
  [ $status = 0 ] || { echo "$out" >&2; fail "exit $status: $*"; }
}

# refuse TEXT COMMAND...: COMMAND fails and says TEXT.
refuse() {
  local text=$1
  shift
  if out=$("$@" 2>&1); then
    echo "$out" >&2
    fail "should fail: $*"
  fi
  says "$text"
}

# says TEXT...: $out has each TEXT in it.
says() {
  local text
  for text in "$@"; do
    [[ $out == *"$text"* ]] || { echo "$out" >&2; fail "does not say: $text"; }
  done
}

# is EXPECTED COMMAND...: COMMAND prints exactly EXPECTED.
is() {
  local expected=$1 got
  shift
  got=$("$@" 2>&1) || true
  [ "$got" = "$expected" ] || { echo "got \"$got\", expected \"$expected\": $*"; return 1; }
}

pack_image() {
  local rootfs=$WORK/rootfs
  mkdir -p "$rootfs"/{bin,tmp,etc,proc,sys,dev}
  cp "$(command -v busybox)" "$rootfs/bin/busybox"
  local applet
  for applet in sh stty tr test sleep cat echo true false seq date id env wget httpd hostname ls nc awk ip nslookup grep touch tar mkdir rm; do
    ln -sf busybox "$rootfs/bin/$applet"
  done
  printf 'root:x:0:0:root:/:/bin/sh\n' >"$rootfs/etc/passwd"
  "$MINIKUBE" image pack "$rootfs" --name "$IMAGE" --data-dir "$DATA" >/dev/null
  rm -rf "$rootfs"
}

# start_server ARGUMENT...: returns when it is ready. Sets server_pid, URL.
start_server() {
  : >"$WORK/ready"
  "$MINIKUBE" server --data-dir "$DATA" --listen "${LISTEN:-127.0.0.1:0}" --node-name "$NODE" "$@" \
    >"$WORK/ready" 2>>"$WORK/server.log" &
  server_pid=$!
  local deadline=$((SECONDS + 60))
  until [[ $(<"$WORK/ready") == ready\ * ]]; do
    kill -0 "$server_pid" 2>/dev/null || fail "the server ended: $(tail -n 3 "$WORK/server.log")"
    [ $SECONDS -lt $deadline ] || fail "the server is not ready"
    read -rt 0.02 <><(:) || true
  done
  URL=$(awk '{ print $2 }' "$WORK/ready")
  LISTEN=${URL#https://}  # a restarted server stays where its clients look for it
  [[ " $* " == *" --no-agent "* ]] || eventually 30 node_ready
}

node_ready() { is True k get node "$NODE" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'; }

# stop_server SIGNAL: returns when the process is gone.
stop_server() {
  kill "-$1" "$server_pid"
  wait "$server_pid" 2>/dev/null || true
  server_pid=
}

# credentials: client certificate and CA of the admin, for curl.
credentials() {
  local field
  for field in certificate-authority-data client-certificate-data client-key-data; do
    awk -v f="$field:" '$1 == f { print $2; exit }' "$DATA/kubeconfig" | tr -d '"' | base64 -d >"$WORK/$field"
  done
}

# api METHOD PATH [CURL ARGUMENT...]: body in $out, HTTP status in $code.
api() {
  local method=$1 path=$2
  shift 2
  [ -s "$WORK/client-key-data" ] || credentials
  code=$(curl -sS --max-time 60 --cacert "$WORK/certificate-authority-data" --cert "$WORK/client-certificate-data" \
    --key "$WORK/client-key-data" -A e2e -o "$WORK/body" -w '%{http_code}' -X "$method" "$@" "$URL$path")
  out=$(<"$WORK/body")
}

# What is wrong, for whoever reads a failed test's output.
show_state() {
  [ -n "$server_pid" ] || return 0
  {
    k get pods,deploy,rs -A -o wide || true
    k get events -A --sort-by=.lastTimestamp | tail -n 20 || true
    tail -n 30 "$WORK/server.log"
  } >&2 2>&1
}

# Processes with a file of this server's on their command line: monitors and pause processes, and what the test started.
own_processes() { pgrep -f -- "$DATA/" || true; }

no_pods() { is "" k get pods -A -o name; }

# gone UID...: nothing on this machine has to do with the pods of these UIDs, nor with any container of this server.
gone() {
  local uid left
  left=$(own_processes)
  [ -z "$left" ] || { echo "processes: $left"; return 1; }
  for uid in "$@"; do
    left=$(find /sys/fs/cgroup -type d -name "*$uid*" 2>/dev/null)
    [ -z "$left" ] || { echo "cgroups: $left"; return 1; }
    left=$(find "$DATA" -name "*$uid*" 2>/dev/null)
    [ -z "$left" ] || { echo "files: $left"; return 1; }
  done
  left=$(find "$DATA"/runtime/{sandboxes,containers} -mindepth 1 2>/dev/null)
  [ -z "$left" ] || { echo "files: $left"; return 1; }
  left=$(grep -F "$WORK" /proc/mounts)
  [ -z "$left" ] || { echo "mounts: $left"; return 1; }
}

# pod_uids [ARGUMENT...]
pod_uids() { k get pods "$@" -o 'jsonpath={range .items[*]}{.metadata.uid}{"\n"}{end}'; }

# Deletes what the test left, ends the server, and removes the directory. Kills only what this test started.
clean_up() {
  local status=$? pid
  trap - EXIT
  set +e
  for pid in "${children[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
  if [ -n "$server_pid" ] && ! kill -0 "$server_pid" 2>/dev/null; then server_pid=; fi
  if [ -z "$server_pid" ] && [ -n "$(own_processes)" ]; then start_server; fi
  if [ -n "$server_pid" ]; then
    k delete deployments,replicasets,pods --all -A --grace-period=0 --force --wait=false >/dev/null 2>&1
    local deadline=$((SECONDS + 60))
    until gone >/dev/null || [ $SECONDS -ge $deadline ]; do read -rt 0.2 <><(:); done
    if ! gone >&2 && [ $status = 0 ]; then
      echo "FAILED: left behind after all pods were deleted" >&2
      status=1
    fi
    kill -TERM "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
  fi
  # Only where the server could not do it: containers by their monitors' records, then the rest.
  for pid in $(awk '{ print $1 }' "$DATA"/runtime/containers/*/started 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
  for pid in $(own_processes); do kill -KILL "$pid" 2>/dev/null; done
  if [ $status != 0 ] && [ -n "${KEEP:-}" ]; then
    echo "kept: $WORK" >&2
  else
    rm -rf "$WORK"
  fi
  exit $status
}
trap clean_up EXIT
trap 'exit 130' INT TERM

pack_image
