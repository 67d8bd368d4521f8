// rm -rf for directories that anybody may have filled. It blocks.
#pragma once

#include <string>

#include <minikube/status.h>

namespace minikube::base {

// Removes `path` and all below it, staying on its file system and following no link. OK if it is not there. However
// deep the tree is, about a hundred descriptors are open at once. Errors: kInternal with the system's reason.
Status RemoveTree(const std::string& path);

}  // namespace minikube::base
