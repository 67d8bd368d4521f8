// The built-in controllers: for each its definition, and the function that decides.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <minikube/api/apps/v1.h>
#include <minikube/api/batch/v1.h>
#include <minikube/api/certificates/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/api/policy/v1.h>
#include <minikube/api/rbac/v1.h>
#include <minikube/controller.h>
#include <minikube/controller_manager.h>

namespace minikube::controllers {

// workloads/
Plan ReconcileDeployment(const View& view, const apps::v1::Deployment& deployment);
ControllerEntry DeploymentController();
Plan ReconcileReplicaSet(const View& view, const apps::v1::ReplicaSet& replica_set);
ControllerEntry ReplicaSetController();
Plan ReconcileReplicationController(const View& view, const core::v1::ReplicationController& controller);
ControllerEntry ReplicationControllerController();
Plan ReconcileStatefulSet(const View& view, const apps::v1::StatefulSet& set);
ControllerEntry StatefulSetController();
class DaemonBackoff;
Plan ReconcileDaemonSet(const View& view, const apps::v1::DaemonSet& set, DaemonBackoff& backoff);
ControllerEntry DaemonSetController();

// batch/
Plan ReconcileJob(const View& view, const batch::v1::Job& job);
ControllerEntry JobController();
// Jobs at the times of a schedule.
Plan ReconcileCronJob(const View& view, const batch::v1::CronJob& cron);
ControllerEntry CronJobController();
// Of a Job with ttlSecondsAfterFinished: its deletion, or when that is due.
Plan ReconcileFinishedJob(const View& view, const batch::v1::Job& job);
ControllerEntry TtlAfterFinishedController();

// identity/
Plan ReconcileDefaultAccount(const View& view, const core::v1::Namespace& ns);
ControllerEntry ServiceAccountController();
// Fills the Secrets that are to hold a token of a service account; `ca` (PEM, or "") goes with it.
Plan ReconcileTokenSecret(const View& view, const core::v1::Secret& secret, std::string_view ca);
ControllerEntry TokenSecretController(std::string ca);
Plan ReconcileAggregatedRole(const View& view, const rbac::v1::ClusterRole& role);
ControllerEntry ClusterRoleAggregationController();

// policy/
Plan ReconcileDisruptionBudget(const View& view, const policy::v1::PodDisruptionBudget& budget);
ControllerEntry DisruptionController();
// `resources` are those that can be listed.
Plan ReconcileResourceQuota(const View& view, const core::v1::ResourceQuota& quota,
                            std::span<const ResourceDesc* const> resources);
ControllerEntry ResourceQuotaController();

// network/
Plan ReconcileEndpoints(const View& view, const core::v1::Service& service);
Plan DeleteEndpoints(const View& view, const ObjectKey& service);
ControllerEntry EndpointsController();
Plan ReconcileEndpointSlices(const View& view, const core::v1::Service& service);
ControllerEntry EndpointSliceController();
Plan ReconcileMirroredSlices(const View& view, const core::v1::Endpoints& endpoints);
Plan DeleteMirroredSlices(const View& view, const ObjectKey& endpoints);
ControllerEntry EndpointSliceMirroringController();

// certificates/
// Publishes `ca` (PEM) as ConfigMap kube-root-ca.crt in every namespace.
Plan ReconcileRootCa(const View& view, const core::v1::Namespace& ns, std::string_view ca);
ControllerEntry RootCaPublisher(std::string ca);
// Approves what nodes ask for themselves and are allowed to have.
Plan ApproveSigningRequest(const View& view, const certificates::v1::CertificateSigningRequest& request);
ControllerEntry SigningRequestApprover();
// Signs what is approved, for those of Kubernetes' own signers that issue by the cluster's authority.
Plan SignSigningRequest(const View& view, const certificates::v1::CertificateSigningRequest& request,
                        const CertificateAuthority& sign);
ControllerEntry SigningRequestSigner(CertificateAuthority sign);
Plan CleanSigningRequest(const View& view, const certificates::v1::CertificateSigningRequest& request);
ControllerEntry SigningRequestCleaner();

// nodes/
// Marks nodes from which nothing was heard for so long, and keeps the taints of all.
ControllerEntry NodeLifecycleController(Duration grace_period);
// Evicts pods from nodes with NoExecute taints.
ControllerEntry TaintEvictionController();

// storage/
// The binder: of a claim, and of a volume.
Plan ReconcileClaim(const View& view, const core::v1::PersistentVolumeClaim& claim);
ControllerEntry ClaimBinder();
Plan ReconcileVolume(const View& view, const core::v1::PersistentVolume& volume);
ControllerEntry VolumeStates();
Plan ReconcileClaimProtection(const View& view, const core::v1::PersistentVolumeClaim& claim);
ControllerEntry ClaimProtection();
Plan ReconcileVolumeProtection(const View& view, const core::v1::PersistentVolume& volume);
ControllerEntry VolumeProtection();
Plan ReconcileEphemeralVolumes(const View& view, const core::v1::Pod& pod);
ControllerEntry EphemeralVolumeController();
Plan ReconcileExpansion(const View& view, const core::v1::PersistentVolumeClaim& claim);
ControllerEntry ExpandController();
// Volumes on nodes' own disks: makes one for a claim whose node is chosen.
Plan ProvisionLocalPath(const View& view, const core::v1::PersistentVolumeClaim& claim);
ControllerEntry LocalPathProvisioner();
// Lets a volume go whose node has gone, and cannot remove its data.
Plan AbandonLocalPath(const View& view, const core::v1::PersistentVolume& volume);
ControllerEntry LocalPathReclaimer();

// gc/
ControllerEntry GarbageCollector();
// `resources` are those that may be in a namespace; `pause`: how long to wait for them to go.
Plan ReconcileNamespace(const View& view, const core::v1::Namespace& ns, std::span<const ResourceDesc* const> resources,
                        Duration pause);
ControllerEntry NamespaceController();
// Finished pods beyond `terminated_pod_threshold` are deleted; 0 = never.
ControllerEntry PodGarbageCollector(std::size_t terminated_pod_threshold);

}  // namespace minikube::controllers
