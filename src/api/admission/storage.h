// The admission plugins of storage: DefaultStorageClass, StorageObjectInUseProtection, PersistentVolumeClaimResize.
#pragma once

#include "api/registry/attempt.h"

namespace minikube::api {

// A new claim that says nothing of a class gets the default one, if there is one.
Status DefaultStorageClass(Attempt& attempt);
// New claims and volumes have the finalizer that keeps them while they are used.
Status StorageObjectInUseProtection(Attempt& attempt);
// A claim asks for more only once it is bound, and only if its class allows it.
Status PersistentVolumeClaimResize(Attempt& attempt);

}  // namespace minikube::api
