// The volume through which the programs of a pod reach the API server as the pod's service account.
//
// Thread safety: pure functions.
#pragma once

#include <minikube/api/core/v1.h>

namespace minikube::api {

// Mounts a token, the server's certificate authority and the namespace at /var/run/secrets/kubernetes.io/serviceaccount
// in every container that has nothing there, as kube-apiserver's ServiceAccount admission does. One that the author
// of the pod has named kube-api-access-... is used if it is there.
void MountServiceAccountToken(core::v1::PodSpec& spec);

// Replaces such a volume and its mounts, if they are equal to what that makes, by the copy that all pods share: for
// pods that were read from the store. Changes no value.
void ShareTokenVolume(core::v1::PodSpec& spec);

}  // namespace minikube::api
