#!/usr/bin/env bash
# Data that outlives pods: a StatefulSet with claims through deletion, rollout, scaling, kill -9 of the server; volumes by
# hand; what is read-only, a group's, or no longer than its pod; and nothing left in the end.
source "$(dirname "$0")/lib.sh"
start_server

VOLUMES=$DATA/agent/local-path
directories() { find "$VOLUMES" -mindepth 1 -maxdepth 1 | wc -l; }

note "a new cluster has a default class"
expect k get storageclass
says local-path "(default)" minikube.dev/local-path WaitForFirstConsumer

database() {  # REVISION
  yaml apply "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: $IMAGE
        command: [/bin/sh, -c, 'trap \"exit 0\" TERM; echo \$(hostname) $1 >> /data/log; while true; do sleep 0.1; done']
        readinessProbe: {exec: {command: [/bin/sh, -c, 'test -s /data/log']}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 64Mi}}
" >/dev/null
}
written() { k exec "$1" -- cat /data/log; }
volume_of() { k get pvc "$1" -o 'jsonpath={.spec.volumeName}'; }
ready() { is 2 k get statefulset db -o 'jsonpath={.status.readyReplicas}'; }

note "each pod has its own"
database one
eventually 60 ready
is "db-0 one" written db-0 || fail "$(written db-0)"
is "db-1 one" written db-1 || fail "$(written db-1)"
expect k get pvc
says data-db-0 data-db-1 Bound local-path
volumes="$(volume_of data-db-0) $(volume_of data-db-1)"
[ "$(directories)" = 2 ] || fail "$(directories) directories"

note "a pod that is deleted comes back to its data"
uid=$(k get pod db-0 -o 'jsonpath={.metadata.uid}')
expect k delete pod db-0
another() { [ "$(k get pod db-0 -o 'jsonpath={.metadata.uid}')" != "$uid" ] && ready; }
eventually 60 another
is $'db-0 one\ndb-0 one' written db-0 || fail "$(written db-0)"

note "so do all after a rollout, and after there was none for a while"
database two
expect k rollout status statefulset/db --timeout=60s
is $'db-1 one\ndb-1 two' written db-1 || fail "$(written db-1)"
expect k scale statefulset db --replicas=0
eventually 60 no_pods
expect k scale statefulset db --replicas=2
eventually 60 ready
is $'db-1 one\ndb-1 two\ndb-1 two' written db-1 || fail "$(written db-1)"
[ "$(volume_of data-db-0) $(volume_of data-db-1)" = "$volumes" ] || fail "other volumes"

note "and after kill -9 of the server"
stop_server KILL
start_server
eventually 60 ready
is $'db-1 one\ndb-1 two\ndb-1 two' written db-1 || fail "$(written db-1)"

note "a claim that is used stays, whoever deletes it; its data go when nobody uses it"
expect k delete pvc data-db-0 --wait=false
expect k get pvc data-db-0 -o 'jsonpath={.metadata.deletionTimestamp}'
[ -n "$out" ] || fail "not being deleted"
says_db0() { k exec db-0 -- cat /data/log; }
expect says_db0
expect k delete statefulset db
eventually 60 no_pods
gone_claim() { ! k get pvc data-db-0 >/dev/null 2>&1; }
eventually 60 gone_claim
one_left() { [ "$(directories)" = 1 ] && is 1 eval 'k get pv -o name | wc -l'; }
eventually 60 one_left

note "the other claim is kept, as nobody said otherwise"
database three
eventually 60 ready
is $'db-1 one\ndb-1 two\ndb-1 two\ndb-1 three' written db-1 || fail "$(written db-1)"
is "db-0 three" written db-0 || fail "$(written db-0)"
expect k patch statefulset db --type merge -p '{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Delete"}}}'
eventually 60 eval 'k get pvc data-db-1 -o jsonpath={.metadata.ownerReferences[*].kind} | grep -q StatefulSet'
expect k delete statefulset db
none_left() { [ "$(directories)" = 0 ] && is "" k get pv,pvc -o name; }
eventually 60 none_left

note "read-only, for a group, a part of it, and one that goes with its pod"
yaml apply "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}" >/dev/null
yaml apply "
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  restartPolicy: Never
  securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000}
  containers:
  - name: main
    image: $IMAGE
    command: [/bin/sh, -c, 'echo hello > /data/file && echo deep > /part/file && echo gone > /scratch/file && ls -ln /data/file && sleep 600']
    volumeMounts:
    - {name: shared, mountPath: /data}
    - {name: shared, mountPath: /part, subPath: a/b}
    - {name: scratch, mountPath: /scratch}
  volumes:
  - {name: shared, persistentVolumeClaim: {claimName: shared}}
  - name: scratch
    ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}}
" >/dev/null
written_by_group() { k logs writer | grep -q ' 1000 *2000 '; }
eventually 60 written_by_group
yaml apply "
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: $IMAGE
    command: [/bin/sh, -c, 'cat /data/file /data/a/b/file; echo no > /data/file || echo refused']
    volumeMounts: [{name: shared, mountPath: /data}]
  volumes:
  - {name: shared, persistentVolumeClaim: {claimName: shared, readOnly: true}}
" >/dev/null
eventually 60 is Succeeded k get pod reader -o 'jsonpath={.status.phase}'
expect k logs reader
says hello deep refused
[ "$(directories)" = 2 ] || fail "$(directories) directories"
expect k delete pod writer reader --grace-period=1
only_shared() { is persistentvolumeclaim/shared k get pvc -o name && [ "$(directories)" = 1 ]; }
eventually 60 only_shared
expect k delete pvc shared
eventually 60 none_left

note "volumes made by hand, and what keeps a pod waiting"
mkdir -p "$WORK/disk"
echo "by hand" >"$WORK/disk/file"
yaml apply "
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: ''
  local: {path: $WORK/disk}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$NODE]}]}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  restartPolicy: Never
  containers: [{name: main, image: $IMAGE, command: [/bin/cat, /data/file], volumeMounts: [{name: data, mountPath: /data}]}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: disk}}]
" >/dev/null
waits() { k describe pod user | grep -q 'persistentvolumeclaim "disk" not found'; }
eventually 30 waits
yaml apply "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec: {storageClassName: '', accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}" >/dev/null
eventually 60 is Succeeded k get pod user -o 'jsonpath={.status.phase}'
is "by hand" k logs user || fail "$(k logs user)"
expect k delete pod user
expect k delete pvc disk
eventually 30 is Released k get pv disk -o 'jsonpath={.status.phase}'
[ -s "$WORK/disk/file" ] || fail "the data of a volume made by hand are gone"
expect k delete pv disk
