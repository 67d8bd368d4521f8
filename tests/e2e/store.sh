#!/usr/bin/env bash
# `minikube store` beside a running server and on a stopped one; and what kubectl sees when there is no space.
source "$(dirname "$0")/lib.sh"

store() { "$MINIKUBE" store "$@" --data-dir "$DATA"; }
field() { sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p"; }  # of JSON with a line for each
value() { store status -o json | field "$1"; }
map() { k create configmap "$1" --from-literal="k=$2"; }
big_map() { head -c 300000 /dev/urandom | base64 >"$WORK/noise" && k create configmap "$1" --from-file="k=$WORK/noise"; }
stop() { stop_server TERM; }

start_server --no-agent --history-age 1h

note "status, check and snapshot of a running server"
refuse "there is no store" "$MINIKUBE" store status --data-dir "$WORK/nowhere"
expect map before 1
expect store status
says "revision " "keys " "history " " of 8.0 GiB" "alarm      none" "format     minikube-store 1"
live=$(value revision)
[ "$live" -gt 2 ] || fail "revision $live"
expect store check
says "ok: revision"
expect store snapshot "$WORK/live.snapshot"
says "saved $WORK/live.snapshot: revision "
expect store snapshot "$WORK/live.snapshot" -o json
saved=$(field revision <<<"$out")
[ "$saved" -ge "$live" ] || fail "the snapshot's revision is $saved"
expect store check --snapshot "$WORK/live.snapshot"
map after 1 >/dev/null
seen=$(k get configmap after -o 'jsonpath={.metadata.resourceVersion}')
refuse "is not empty" store restore "$WORK/live.snapshot"
refuse "is not empty" "$MINIKUBE" store restore "$WORK/nothing" --data-dir "$DATA"

note "only who may: /debug/store is guarded by RBAC"
refuse 'cannot get path "/debug/store/status"' k get --raw /debug/store/status --as=nobody
expect k get --raw /debug/store/status

note "compaction of a running server"
expect k label configmap before a=b
expect store compact
says "compacted to revision "
[ "$(value historyVersions)" -lt 5 ] || fail "history: $(value historyVersions)"
expect k get --raw /metrics
says "minikube_store_compactions_total 1" "minikube_store_commit_duration_seconds_count" "minikube_store_sync_duration_seconds_bucket"

note "the same on a stopped server"
stop
expect store status
revision=$(value revision)
expect store check
expect store snapshot "$WORK/stopped.snapshot"
says "revision $revision,"
expect store compact --revision "$revision" -o json
is "$revision" value compactRevision || fail "compacted"
expect store disarm

note "damage is found, and its file named"
cp "$WORK/live.snapshot" "$WORK/bad.snapshot"
printf 'x' | dd of="$WORK/bad.snapshot" bs=1 seek=500 conv=notrunc status=none
refuse "bad.snapshot: damaged at byte" store check --snapshot "$WORK/bad.snapshot"
head -c 1000 "$WORK/live.snapshot" >"$WORK/cut.snapshot"
refuse "cut.snapshot: cut off at byte" store check --snapshot "$WORK/cut.snapshot"
mv "$DATA/store" "$WORK/old-store"
refuse "bad.snapshot: damaged" store restore "$WORK/bad.snapshot"
refuse "cut.snapshot: cut off" store restore "$WORK/cut.snapshot"
[ ! -e "$DATA/store" ] || fail "something was restored of a damaged snapshot"
table=$(find "$WORK/old-store" -name '*.sst' -size +1k | head -n 1)
[ -n "$table" ] || fail "no table file"
mkdir "$WORK/copy"
cp -r "$WORK/old-store" "$WORK/copy/store"
printf 'damage' | dd of="$WORK/copy/store/${table##*/}" bs=1 seek=200 conv=notrunc status=none
refuse "${table##*/}" "$MINIKUBE" store check --data-dir "$WORK/copy"

note "a restore that is killed at any moment leaves nothing or everything"
for delay in 0 0.005 0.01 0.02 0.04 0.08; do
  rm -rf "$WORK/restored"
  mkdir "$WORK/restored"
  "$MINIKUBE" store restore "$WORK/stopped.snapshot" --bump-revision 0 --data-dir "$WORK/restored" >/dev/null 2>&1 &
  restoring=$!
  read -rt "$delay" <><(:) || true
  kill -KILL $restoring 2>/dev/null || true
  wait $restoring 2>/dev/null || true
  if [ -e "$WORK/restored/store" ]; then
    expect "$MINIKUBE" store check --data-dir "$WORK/restored"
  else
    expect "$MINIKUBE" store restore "$WORK/stopped.snapshot" --bump-revision 0 --data-dir "$WORK/restored"
  fi
  expect "$MINIKUBE" store status -o json --data-dir "$WORK/restored"
  [ "$(field revision <<<"$out")" = "$revision" ] || fail "restored: $out"
done

note "the restored cluster goes on above what its clients have seen"
expect store restore "$WORK/live.snapshot"
says "restored"
start_server --no-agent
expect k get configmap before
refuse 'configmaps "after" not found' k get configmap after
expect map anew 1
now=$(k get configmap anew -o 'jsonpath={.metadata.resourceVersion}')
[ "$now" -gt "$seen" ] || fail "resourceVersion $now after $seen"
background "$WORK/watch" get --raw "/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=$seen&timeoutSeconds=2"
wait $! || true
grep -Eq '"code":410|too old resource version' "$WORK/watch" || fail "a watch from the lost cluster: $(<"$WORK/watch")"
expect k get pods -A
stop

note "the quota, as kubectl sees it"
start_server --no-agent --quota-backend-bytes 4MiB
i=0
while big_map "big$i" >"$WORK/out" 2>&1; do
  i=$((i + 1))
  [ $i -lt 60 ] || fail "the quota does not hold"
done
grep -Fq 'etcdserver: mvcc: database space exceeded' "$WORK/out" || fail "$(<"$WORK/out")"
is NOSPACE value alarm || fail "alarm: $(value alarm)"
expect store status
says "NOSPACE: puts are refused"
expect k get configmap big0 -o name
refuse "database space exceeded" k label configmap big0 a=b
stop_server KILL
start_server --no-agent --quota-backend-bytes 4MiB
refuse "database space exceeded" map refused 1
expect k delete configmap --all --wait=false
expect store compact
eventually 30 map again 1
is "" value alarm || fail "the alarm is still on"
stop

note "a disk that is full"
full=$(mktemp -d "${TMPDIR:-/tmp}/minikube-full.XXXXXX")
mount -t tmpfs -o size=96m tmpfs "$full" || cannot_run "no tmpfs"
release() { umount "$full" && rmdir "$full"; }
trap 'status=$?; set +e; [ -z "$server_pid" ] || stop_server KILL; release; (exit $status); clean_up' EXIT
DATA=$full/data
rm -f "$WORK/client-key-data"
start_server --no-agent
expect map kept 1
before=$(k get configmap kept -o 'jsonpath={.metadata.resourceVersion}')
head -c 200M /dev/zero >"$full/filler" 2>/dev/null && fail "the disk is not full"
refuse "etcdserver: mvcc: database space exceeded: the disk is full" map refused 1
refuse "database space exceeded" k label configmap kept a=b
expect k get configmap kept -o name
expect k get --raw /readyz
expect store status
says "the disk is full"
expect store snapshot "$WORK/full.snapshot"
stop_server KILL
out=$("$MINIKUBE" server --data-dir "$DATA" --listen 127.0.0.1:0 --no-agent 2>&1) && fail "a server starts on a full disk"
says "No space left on device" "$full"
expect store check
rm "$full/filler"
start_server --no-agent
head -c 200M /dev/zero >"$full/filler" 2>/dev/null && fail "the disk is not full"
refuse "database space exceeded" map refused 1
rm "$full/filler"
eventually 30 map works 1
expect k label configmap kept a=b
refuse 'configmaps "refused" not found' k get configmap refused
after=$(k get configmap kept -o 'jsonpath={.metadata.resourceVersion}')
[ "$after" -gt "$before" ] || fail "resourceVersion $after after $before"
expect store check
stop
expect store check
