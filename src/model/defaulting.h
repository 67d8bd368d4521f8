// Defaults that the tables declare (FieldDesc::default_json). Those that depend on other fields are code in src/api.
//
// Thread safety: as for the message, which its caller owns.
#pragma once

#include <minikube/descriptor.h>
#include <minikube/object.h>

namespace minikube {

// Gives every absent field that has a default its default, in this message and in all messages present below it.
// Idempotent. Parts that miss no default are only read, so they stay shared with other versions of the object.
void ApplyDefaults(const MessageDesc& desc, void* message);

inline void ApplyDefaults(Object& object) { ApplyDefaults(object.desc(), object.mutable_data()); }

}  // namespace minikube
