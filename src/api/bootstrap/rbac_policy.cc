// The roles and bindings that every cluster has, as facts (Kubernetes v1.36). Read by ParseRbacPolicy:
//
//   clusterrole NAME | role NS/NAME
//     GROUPS RESOURCES VERBS [NAMES]   comma-separated; "core" is the core group
//     url URLS VERBS
//     events                           writing events, which every component may
//     label KEY VALUE | aggregate LABEL
//   clusterrolebinding NAME clusterrole ROLE | rolebinding NS/NAME (role|clusterrole) ROLE
//     user NAME | group NAME | serviceaccount NS/NAME
//
// Every clusterrole system:controller:X is bound to the service account kube-system/X, and to the reading of everything
// that its informers need (system:minikube:controller-informers): in Kubernetes, controllers share the informers of
// kube-controller-manager, which may list and watch everything; here each has its own.
#include "api/bootstrap/bootstrap.h"

namespace minikube::api {

const std::string_view kRbacPolicy = R"policy(
clusterrole admin
  aggregate rbac.authorization.k8s.io/aggregate-to-admin
clusterrole cluster-admin
  * * *
  url * *
clusterrole edit
  label rbac.authorization.k8s.io/aggregate-to-admin true
  aggregate rbac.authorization.k8s.io/aggregate-to-edit
clusterrole system:aggregate-to-admin
  label rbac.authorization.k8s.io/aggregate-to-admin true
  authorization.k8s.io localsubjectaccessreviews create
  rbac.authorization.k8s.io rolebindings,roles create,delete,deletecollection,get,list,patch,update,watch
clusterrole system:aggregate-to-edit
  label rbac.authorization.k8s.io/aggregate-to-edit true
  core pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy get,list,watch
  core serviceaccounts impersonate
  core pods,pods/attach,pods/exec,pods/portforward,pods/proxy create,delete,deletecollection,patch,update
  core configmaps,events,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy create,delete,deletecollection,patch,update
  apps daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale create,delete,deletecollection,patch,update
  autoscaling horizontalpodautoscalers create,delete,deletecollection,patch,update
  batch cronjobs,jobs create,delete,deletecollection,patch,update
  policy poddisruptionbudgets create,delete,deletecollection,patch,update
  networking.k8s.io ingresses,networkpolicies create,delete,deletecollection,patch,update
  core pods/eviction create
  core serviceaccounts/token create
  coordination.k8s.io leases create,delete,deletecollection,get,list,patch,update,watch
  resource.k8s.io resourceclaims,resourceclaimtemplates create,delete,deletecollection,patch,update
clusterrole system:aggregate-to-view
  label rbac.authorization.k8s.io/aggregate-to-view true
  core configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status get,list,watch
  core bindings,events,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status get,list,watch
  core namespaces get,list,watch
  apps controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status get,list,watch
  autoscaling horizontalpodautoscalers,horizontalpodautoscalers/status get,list,watch
  batch cronjobs,cronjobs/status,jobs,jobs/status get,list,watch
  policy poddisruptionbudgets,poddisruptionbudgets/status get,list,watch
  networking.k8s.io ingresses,ingresses/status,networkpolicies get,list,watch
  discovery.k8s.io endpointslices get,list,watch
  resource.k8s.io resourceclaims,resourceclaims/status,resourceclaimtemplates get,list,watch
clusterrole system:auth-delegator
  authentication.k8s.io tokenreviews create
  authorization.k8s.io subjectaccessreviews create
clusterrole system:basic-user
  authorization.k8s.io selfsubjectaccessreviews,selfsubjectrulesreviews create
  authentication.k8s.io selfsubjectreviews create
clusterrole system:certificates.k8s.io:certificatesigningrequests:nodeclient
  certificates.k8s.io certificatesigningrequests/nodeclient create
clusterrole system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  certificates.k8s.io certificatesigningrequests/selfnodeclient create
clusterrole system:certificates.k8s.io:kube-apiserver-client-approver
  certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client
clusterrole system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client-kubelet
clusterrole system:certificates.k8s.io:kubelet-serving-approver
  certificates.k8s.io signers approve kubernetes.io/kubelet-serving
clusterrole system:certificates.k8s.io:legacy-unknown-approver
  certificates.k8s.io signers approve kubernetes.io/legacy-unknown
clusterrole system:controller:attachdetach-controller
  core persistentvolumeclaims,persistentvolumes list,watch
  core nodes get,list,watch
  core nodes/status patch,update
  core pods list,watch
  events
  storage.k8s.io volumeattachments create,delete,get,list,watch
  storage.k8s.io csidrivers get,list,watch
  storage.k8s.io csinodes get,list,watch
  core services get
clusterrole system:controller:certificate-controller
  certificates.k8s.io certificatesigningrequests delete,get,list,watch
  certificates.k8s.io certificatesigningrequests/approval,certificatesigningrequests/status update
  certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client-kubelet
  certificates.k8s.io signers sign kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown
  authorization.k8s.io subjectaccessreviews create
  events
clusterrole system:controller:clusterrole-aggregation-controller
  rbac.authorization.k8s.io clusterroles escalate,get,list,patch,update,watch
clusterrole system:controller:cronjob-controller
  batch cronjobs get,list,update,watch
  batch jobs create,delete,get,list,patch,update,watch
  batch cronjobs/status update
  batch cronjobs/finalizers update
  core pods delete,list
  events
clusterrole system:controller:daemon-set-controller
  apps daemonsets get,list,watch
  apps daemonsets/status update
  apps daemonsets/finalizers update
  core nodes list,watch
  core pods create,delete,get,list,patch,watch
  core pods/binding create
  apps controllerrevisions create,delete,get,list,patch,update,watch
  events
clusterrole system:controller:deployment-controller
  apps deployments get,list,update,watch
  apps deployments/status update
  apps deployments/finalizers update
  apps replicasets create,delete,get,list,patch,update,watch
  core pods get,list,update,watch
  events
clusterrole system:controller:device-taint-eviction-controller
  core pods delete,get,list,watch
  core pods/status patch
  resource.k8s.io deviceclasses,devicetaintrules,resourceclaims,resourceslices get,list,watch
  resource.k8s.io devicetaintrules/status patch
  events
clusterrole system:controller:disruption-controller
  apps deployments get,list,watch
  apps replicasets get,list,watch
  core replicationcontrollers get,list,watch
  policy poddisruptionbudgets get,list,watch
  apps statefulsets get,list,watch
  policy poddisruptionbudgets/status update
  * */scale get
  events
clusterrole system:controller:endpoint-controller
  core pods,services get,list,watch
  core endpoints create,delete,get,list,update
  core endpoints/restricted create
  core nodes get,list,watch
  events
clusterrole system:controller:endpointslice-controller
  core nodes,pods,services get,list,watch
  core services/finalizers update
  discovery.k8s.io endpointslices create,delete,get,list,update
  events
clusterrole system:controller:endpointslicemirroring-controller
  core endpoints,services get,list,watch
  core services/finalizers update
  core endpoints/finalizers update
  discovery.k8s.io endpointslices create,delete,get,list,update
  events
clusterrole system:controller:ephemeral-volume-controller
  core pods get,list,watch
  core persistentvolumeclaims create,get,list,watch
  core pods/finalizers update
  events
clusterrole system:controller:expand-controller
  core persistentvolumes get,list,patch,update,watch
  core persistentvolumeclaims/status patch,update
  core persistentvolumeclaims get,list,watch
  storage.k8s.io storageclasses get,list,watch
  core endpoints,services get
  core secrets get
  storage.k8s.io volumeattributesclasses get,list,watch
  events
clusterrole system:controller:generic-garbage-collector
  * * delete,get,list,patch,update,watch
  events
clusterrole system:controller:horizontal-pod-autoscaler
  autoscaling horizontalpodautoscalers get,list,watch
  autoscaling horizontalpodautoscalers/status update
  * */scale get,update
  core pods list
  core services/proxy get http:heapster:,https:heapster:
  metrics.k8s.io pods list
  custom.metrics.k8s.io * get,list
  external.metrics.k8s.io * get,list
  events
clusterrole system:controller:job-controller
  batch jobs get,list,patch,update,watch
  batch jobs/status patch,update
  batch jobs/finalizers update
  core pods create,delete,list,patch,watch
  events
clusterrole system:controller:legacy-service-account-token-cleaner
  core configmaps get kube-apiserver-legacy-service-account-token-tracking
  core secrets delete,patch
clusterrole system:controller:local-path-provisioner
  core persistentvolumes create,get,list,update,watch
  core persistentvolumeclaims get,list,update,watch
  core nodes get,list,watch
  storage.k8s.io storageclasses get,list,watch
  events
clusterrole system:controller:namespace-controller
  core namespaces delete,get,list,watch
  core namespaces/finalize,namespaces/status update
  * * delete,deletecollection,get,list
clusterrole system:controller:node-controller
  core nodes delete,get,list,patch,update,watch
  core nodes/status patch,update
  core pods/status patch,update
  core pods delete,get,list,watch
  coordination.k8s.io leases get,list,watch
  events
clusterrole system:controller:persistent-volume-binder
  core persistentvolumes create,delete,get,list,update,watch
  core persistentvolumes/status update
  core persistentvolumeclaims get,list,update,watch
  core persistentvolumeclaims/status update
  core pods create,delete,get,list,watch
  storage.k8s.io storageclasses get,list,watch
  core endpoints create,delete,get,update
  core services create,delete,get
  core secrets get
  core nodes get,list
  core events watch
  events
clusterrole system:controller:pod-garbage-collector
  core pods delete,list,watch
  core nodes get,list
  core pods/status patch
clusterrole system:controller:podcertificaterequestcleaner-controller
  certificates.k8s.io podcertificaterequests delete,get,list,watch
clusterrole system:controller:pv-protection-controller
  core persistentvolumes get,list,update,watch
  events
clusterrole system:controller:pvc-protection-controller
  core persistentvolumeclaims get,list,update,watch
  core pods get,list,watch
  events
clusterrole system:controller:replicaset-controller
  apps replicasets get,list,update,watch
  apps replicasets/status update
  apps replicasets/finalizers update
  core pods create,delete,list,patch,watch
  events
clusterrole system:controller:replication-controller
  core replicationcontrollers get,list,update,watch
  core replicationcontrollers/status update
  core replicationcontrollers/finalizers update
  core pods create,delete,list,patch,watch
  events
clusterrole system:controller:resource-claim-controller
  core pods get,list,watch
  core pods/finalizers update
  core pods/status patch
  resource.k8s.io resourceclaimtemplates,deviceclasses get,list,watch
  resource.k8s.io resourceclaims create,delete,get,list,patch,update,watch
  resource.k8s.io resourceclaims/status patch,update
  events
clusterrole system:controller:resourcequota-controller
  * * list,watch
  core resourcequotas/status update
  events
clusterrole system:controller:root-ca-cert-publisher
  core configmaps create,get,update
  events
clusterrole system:controller:route-controller
  core nodes list,watch
  core nodes/status patch
  events
clusterrole system:controller:selinux-warning-controller
  core persistentvolumeclaims,persistentvolumes,pods get,list,watch
  storage.k8s.io csidrivers get,list,watch
  events
clusterrole system:controller:service-account-controller
  core serviceaccounts create
  events
clusterrole system:controller:service-cidrs-controller
  networking.k8s.io servicecidrs get,list,patch,update,watch
  networking.k8s.io servicecidrs/finalizers,servicecidrs/status patch,update
  networking.k8s.io ipaddresses get,list,watch
  events
clusterrole system:controller:service-controller
  core services get,list,watch
  core services/status patch,update
  core nodes list,watch
  events
clusterrole system:controller:statefulset-controller
  core pods list,watch
  apps statefulsets get,list,watch
  apps statefulsets/status update
  apps statefulsets/finalizers update
  core pods create,delete,get,patch,update
  apps controllerrevisions create,delete,get,list,patch,update,watch
  core persistentvolumeclaims create,delete,get,list,patch,update,watch
  events
clusterrole system:controller:storage-version-migrator-controller
  * * get,list,patch
  storagemigration.k8s.io storageversionmigrations get,list,watch
  storagemigration.k8s.io storageversionmigrations/status get,patch,update
clusterrole system:controller:taint-eviction-controller
  core pods delete,get,list,watch
  core nodes get,list,watch
  core pods/status patch
  events
clusterrole system:controller:ttl-after-finished-controller
  batch jobs delete,get,list,watch
  events
clusterrole system:controller:ttl-controller
  core nodes list,patch,update,watch
  events
clusterrole system:controller:validatingadmissionpolicy-status-controller
  admissionregistration.k8s.io validatingadmissionpolicies get,list,watch
  admissionregistration.k8s.io validatingadmissionpolicies/status get,patch,update
  events
clusterrole system:controller:volumeattributesclass-protection-controller
  core persistentvolumeclaims,persistentvolumes get,list,watch
  storage.k8s.io volumeattributesclasses get,list,update,watch
  events
clusterrole system:discovery
  url /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/ get
clusterrole system:kube-aggregator
  core endpoints,services get,list,watch
clusterrole system:kube-controller-manager
  events
  coordination.k8s.io leases create
  coordination.k8s.io leases get,update kube-controller-manager
  core configmaps,secrets,serviceaccounts create
  core secrets delete
  core configmaps,namespaces,secrets,serviceaccounts get
  core secrets,serviceaccounts update
  authentication.k8s.io tokenreviews create
  authorization.k8s.io subjectaccessreviews create
  * * list,watch
  core serviceaccounts/token create
clusterrole system:kube-dns
  core endpoints,services list,watch
  discovery.k8s.io endpointslices list,watch
clusterrole system:kube-scheduler
  events
  coordination.k8s.io leases create
  coordination.k8s.io leases get,update kube-scheduler
  core nodes get,list,watch
  core pods delete,get,list,watch
  core bindings,pods/binding create
  core pods/status patch,update
  core replicationcontrollers,services get,list,watch
  apps replicasets get,list,watch
  apps statefulsets get,list,watch
  policy poddisruptionbudgets get,list,watch
  core persistentvolumeclaims,persistentvolumes get,list,watch
  authentication.k8s.io tokenreviews create
  authorization.k8s.io subjectaccessreviews create
  storage.k8s.io csinodes get,list,watch
  core namespaces get,list,watch
  storage.k8s.io csidrivers,csistoragecapacities,volumeattachments get,list,watch
  coordination.k8s.io leasecandidates create,delete,deletecollection,get,list,patch,update,watch
  core pods/finalizers update
  resource.k8s.io deviceclasses,devicetaintrules,resourceslices get,list,watch
  resource.k8s.io resourceclaims create,delete,get,list,patch,update,watch
  resource.k8s.io resourceclaims/status patch,update
  scheduling.k8s.io workloads,podgroups get,list,watch
clusterrole system:kubelet-api-admin
  core nodes get,list,watch
  core nodes proxy
  core nodes/checkpoint,nodes/configz,nodes/healthz,nodes/log,nodes/metrics,nodes/pods,nodes/proxy,nodes/spec,nodes/stats *
clusterrole system:minikube:controller-informers
  * * list,watch
clusterrole system:monitoring
  url /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/* get
clusterrole system:node
  authentication.k8s.io tokenreviews create
  authorization.k8s.io localsubjectaccessreviews,subjectaccessreviews create
  core services get,list,watch
  core nodes create,get,list,watch
  core nodes/status patch,update
  core nodes patch,update
  events
  core pods get,list,watch
  core pods create,delete
  core pods/status patch,update
  core pods/eviction create
  core configmaps,secrets get,list,watch
  core persistentvolumeclaims,persistentvolumes get,list,watch
  core persistentvolumes patch
  core endpoints get
  certificates.k8s.io certificatesigningrequests create,get,list,watch
  coordination.k8s.io leases create,delete,get,patch,update
  storage.k8s.io volumeattachments get
  core serviceaccounts/token create
  core persistentvolumeclaims/status get,patch,update
  storage.k8s.io csidrivers get,list,watch
  storage.k8s.io csinodes create,delete,get,patch,update
  node.k8s.io runtimeclasses get,list,watch
  resource.k8s.io resourceclaims get,list,watch
  resource.k8s.io resourceslices create,delete,deletecollection,get,list,patch,update,watch
  certificates.k8s.io clustertrustbundles get,list,watch
  certificates.k8s.io podcertificaterequests create,get,list,watch
clusterrole system:node-bootstrapper
  certificates.k8s.io certificatesigningrequests create,get,list,watch
clusterrole system:node-problem-detector
  core nodes get
  core nodes/status patch
  events
clusterrole system:node-proxier
  core endpoints,services list,watch
  core nodes get,list,watch
  events
  discovery.k8s.io endpointslices list,watch
  networking.k8s.io servicecidrs list,watch
clusterrole system:persistent-volume-provisioner
  core persistentvolumes create,delete,get,list,watch
  core persistentvolumeclaims get,list,update,watch
  storage.k8s.io storageclasses get,list,watch
  core events watch
  events
clusterrole system:public-info-viewer
  url /healthz,/livez,/readyz,/version,/version/ get
clusterrole system:service-account-issuer-discovery
  url /.well-known/openid-configuration,/openid/v1/jwks get
clusterrole system:volume-scheduler
  core persistentvolumes get,list,patch,update,watch
  storage.k8s.io storageclasses get,list,watch
  core persistentvolumeclaims get,list,patch,update,watch
clusterrole view
  label rbac.authorization.k8s.io/aggregate-to-edit true
  aggregate rbac.authorization.k8s.io/aggregate-to-view
role kube-public/system:controller:bootstrap-signer
  core configmaps get,list,watch
  core configmaps update cluster-info
  events
role kube-system/extension-apiserver-authentication-reader
  core configmaps get,list,watch extension-apiserver-authentication
role kube-system/system::leader-locking-kube-controller-manager
  core configmaps watch
  core configmaps get,update kube-controller-manager
role kube-system/system::leader-locking-kube-scheduler
  core configmaps watch
  core configmaps get,update kube-scheduler
role kube-system/system:controller:bootstrap-signer
  core secrets get,list,watch
role kube-system/system:controller:cloud-provider
  core configmaps create,get,list,watch
role kube-system/system:controller:token-cleaner
  core secrets delete,get,list,watch
  events
clusterrolebinding cluster-admin clusterrole cluster-admin
  group system:masters
clusterrolebinding system:basic-user clusterrole system:basic-user
  group system:authenticated
clusterrolebinding system:discovery clusterrole system:discovery
  group system:authenticated
clusterrolebinding system:kube-controller-manager clusterrole system:kube-controller-manager
  user system:kube-controller-manager
clusterrolebinding system:kube-dns clusterrole system:kube-dns
  serviceaccount kube-system/kube-dns
clusterrolebinding system:kube-scheduler clusterrole system:kube-scheduler
  user system:kube-scheduler
clusterrolebinding system:monitoring clusterrole system:monitoring
  group system:monitoring
clusterrolebinding system:node clusterrole system:node
clusterrolebinding system:node-proxier clusterrole system:node-proxier
  user system:kube-proxy
clusterrolebinding system:public-info-viewer clusterrole system:public-info-viewer
  group system:authenticated
  group system:unauthenticated
clusterrolebinding system:service-account-issuer-discovery clusterrole system:service-account-issuer-discovery
  group system:serviceaccounts
clusterrolebinding system:volume-scheduler clusterrole system:volume-scheduler
  user system:kube-scheduler
rolebinding kube-public/system:controller:bootstrap-signer role system:controller:bootstrap-signer
  serviceaccount kube-system/bootstrap-signer
rolebinding kube-system/system::extension-apiserver-authentication-reader role extension-apiserver-authentication-reader
  user system:kube-controller-manager
  user system:kube-scheduler
rolebinding kube-system/system::leader-locking-kube-controller-manager role system::leader-locking-kube-controller-manager
  user system:kube-controller-manager
  serviceaccount kube-system/kube-controller-manager
rolebinding kube-system/system::leader-locking-kube-scheduler role system::leader-locking-kube-scheduler
  user system:kube-scheduler
  serviceaccount kube-system/kube-scheduler
rolebinding kube-system/system:controller:bootstrap-signer role system:controller:bootstrap-signer
  serviceaccount kube-system/bootstrap-signer
rolebinding kube-system/system:controller:cloud-provider role system:controller:cloud-provider
  serviceaccount kube-system/cloud-provider
rolebinding kube-system/system:controller:token-cleaner role system:controller:token-cleaner
  serviceaccount kube-system/token-cleaner
)policy";

}  // namespace minikube::api
