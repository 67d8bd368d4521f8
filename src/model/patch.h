// The patches of the Kubernetes API on objects: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch.
//
// Thread safety: any thread; the object patched is only read.
#pragma once

#include <string_view>

#include <minikube/client.h>
#include <minikube/codec.h>
#include <minikube/object.h>
#include <minikube/status.h>

namespace minikube {

// `current` with `patch` (JSON text) applied, as a new object of the same type. Unknown and repeated fields of the
// patch are treated as options.validation says. Not for PatchType::kApply, which needs to know who applies: apply.h.
// Errors: kBadRequest (patch malformed), kTooLarge (too many operations), kInvalid (patch does not apply, or gives no
// valid object of the type).
Result<ObjectPtr> ApplyPatch(const Object& current, PatchType type, std::string_view patch,
                             const DecodeOptions& options = {});

// A JSON patch that nobody has to be told the failure of: null if a test in it does not hold. Unknown fields are
// errors. Errors: kInternal: what it makes is no object of the type; else as ApplyPatch.
Result<ObjectPtr> ApplyTestedPatch(const Object& current, std::string_view patch);

}  // namespace minikube
