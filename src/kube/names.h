// Names of groups and versions, and names made from other names. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <minikube/descriptor.h>

namespace minikube::kube {

// The label of a Node that tells it from others: its name, mostly.
inline constexpr std::string_view kHostnameLabel = "kubernetes.io/hostname";

// "apps/v1", or "v1" for the core group.
std::string ApiVersionOf(std::string_view group, std::string_view version);
inline std::string ApiVersionOf(const GroupVersionKind& gvk) { return ApiVersionOf(gvk.group, gvk.version); }
// The group of such a text: "" for the core group.
std::string_view GroupOf(std::string_view api_version);

// FNV-1a: the same on every machine and in every version of this library.
std::uint32_t Hash(std::string_view text);
// A number in digits and consonants, so that no name made of it spells a word; at most ten characters, fit for names
// and label values.
std::string SafeEncode(std::uint32_t number);

}  // namespace minikube::kube
