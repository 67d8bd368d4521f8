// Conversion between the versions in which a kind is served and stored.
//
// Fields of the same name correspond; three small tables (renamed fields, fields nested on one side only, code) hold
// the exceptions: events.k8s.io/v1 and core/v1 Event, autoscaling v1 and v2 HorizontalPodAutoscaler,
// resource.k8s.io/v1beta1 and later. Parts of equal type are shared, not copied.
// Thread safety: any thread; the source is only read.
#pragma once

#include <minikube/descriptor.h>
#include <minikube/object.h>
#include <minikube/status.h>

namespace minikube {

// `object` as a `to`, which is another version of its kind. A clone if it is one already.
// Errors: kBadRequest if the two are not versions of one kind.
Result<ObjectPtr> Convert(const Object& object, const MessageDesc& to);

// The served resource under whose group and version `resource` is stored (itself for most): objects of
// events.k8s.io/v1 events live with core/v1 events. Itself if it is not stored at all.
const ResourceDesc& StorageResource(const ResourceDesc& resource);

}  // namespace minikube
