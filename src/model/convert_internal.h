// What convert.cc and the conversions that need code share.
#pragma once

#include <minikube/descriptor.h>

namespace minikube::internal {

// Converts the fields that correspond. `to` holds values of fields that have no counterpart unchanged.
void ConvertMessage(const MessageDesc& from_desc, const void* from, const MessageDesc& to_desc, void* to);

// Completes a HorizontalPodAutoscaler whose corresponding fields are converted already.
void FinishHpaV1ToV2(const void* from, void* to);
void FinishHpaV2ToV1(const void* from, void* to);

}  // namespace minikube::internal
