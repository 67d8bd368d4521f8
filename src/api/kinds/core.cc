// The smaller kinds of the core group: namespaces, nodes, configuration, accounts, endpoints, volumes.
#include <fmt/format.h>

#include <minikube/api/core/v1.h>

#include "api/kinds/kinds.h"
#include "api/kinds/metadata.h"
#include "model/access.h"

namespace minikube::api {

namespace {

using namespace core::v1;  // NOLINT(google-build-using-namespace): the kinds of this file

constexpr std::size_t kMaxDataBytes = 1 << 20;

// ---- Namespace ----------------------------------------------------------------------------------------------------

void PrepareNamespace(Object& next, const Object* before, const HookContext&) {
  auto& ns = next.As<Namespace>();
  if (before != nullptr) {
    // Finalizers go through the finalize subresource.
    ns.spec.finalizers = before->As<Namespace>().spec.finalizers;
    return;
  }
  ns.status = {};
  ns.status.phase = "Active";
  bool has = false;
  for (const Str& finalizer : ns.spec.finalizers) has |= finalizer == "kubernetes";
  if (!has) ns.spec.finalizers.push_back("kubernetes");
}

void DefaultNamespace(Object& next, const Object*) {
  auto& ns = next.As<Namespace>();
  const Str* label = ns.metadata.labels.Find("kubernetes.io/metadata.name");
  if (label == nullptr || !(*label == ns.metadata.name)) {
    ns.metadata.labels["kubernetes.io/metadata.name"] = ns.metadata.name;
  }
  if (ns.status.phase.empty()) ns.status.phase = "Active";
}

Messages LabelName(std::string_view name, NameUse use) { return NameIsDnsLabel(name, use); }

// ---- Node ---------------------------------------------------------------------------------------------------------

// A node that does not exist yet brings its own status: the agent registers with what it found.
void DefaultNode(Object& next, const Object*) {
  auto& node = next.As<Node>();
  if (node.status.allocatable.empty() && !node.status.capacity.empty()) node.status.allocatable = node.status.capacity;
}

void ValidateNode(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& node = next.As<Node>();
  const FieldPath spec("spec");
  const FieldPath taints = spec.Child("taints");
  for (std::size_t i = 0; i < node.spec.taints.size(); ++i) {
    const Taint& taint = node.spec.taints[i];
    errors.InvalidEach(taints.Index(i, "key"), taint.key, IsQualifiedName(taint.key.view()));
    errors.InvalidEach(taints.Index(i, "value"), taint.value, IsLabelValue(taint.value.view()));
    for (std::size_t k = 0; k < i; ++k) {
      if (node.spec.taints[k].key == taint.key && node.spec.taints[k].effect == taint.effect) {
        errors.Duplicate(taints.Index(i), BadValue::Of(taint));
      }
    }
  }
  if (before == nullptr) return;
  const auto& old = before->As<Node>();
  if (!old.spec.providerID.empty() && !(node.spec.providerID == old.spec.providerID)) {
    errors.Forbidden(spec.Child("providerID"), "node updates may not change providerID except from \"\" to valid");
  }
  if (!old.spec.podCIDR.empty() && !(node.spec.podCIDR == old.spec.podCIDR)) {
    errors.Forbidden(spec.Child("podCIDRs"), "node updates may not change podCIDR except from \"\" to valid");
  }
}

// ---- ConfigMap, Secret --------------------------------------------------------------------------------------------

template <typename V>
std::size_t SizeOf(const Map<V>& map) {
  std::size_t bytes = 0;
  for (const auto& entry : map) bytes += entry.value.view().size();
  return bytes;
}

template <typename V>
void ValidateKeys(const Map<V>& map, const FieldPath& path, ErrorList& errors) {
  for (const auto& entry : map) {
    errors.InvalidEach(path.Key(entry.key.view()), entry.key, IsConfigMapKey(entry.key.view()));
  }
}

void ValidateConfigMap(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& map = next.As<ConfigMap>();
  const FieldPath data("data");
  const FieldPath binary("binaryData");
  ValidateKeys(map.data, data, errors);
  ValidateKeys(map.binaryData, binary, errors);
  for (const auto& entry : map.binaryData) {
    if (!map.data.Contains(entry.key.view())) continue;
    errors.Invalid(data.Key(entry.key.view()), entry.key, "duplicate of key present in binaryData");
  }
  if (SizeOf(map.data) + SizeOf(map.binaryData) > kMaxDataBytes) errors.TooLong(FieldPath(), kMaxDataBytes);
  if (before == nullptr) return;
  const auto& old = before->As<ConfigMap>();
  if (!old.immutable.value_or(false)) return;
  if (!map.immutable.value_or(false))
    errors.Forbidden(FieldPath("immutable"), "field is immutable when `immutable` is set");
  if (!(map.data == old.data)) errors.Forbidden(data, "field is immutable when `immutable` is set");
  if (!(map.binaryData == old.binaryData)) errors.Forbidden(binary, "field is immutable when `immutable` is set");
}

// stringData is write-only: what it says ends up in data.
// What was given as text becomes data, as when it is read.
void FoldStringData(Object& next, const Object*) {
  auto& secret = next.As<Secret>();
  if (secret.stringData.empty()) return;
  for (const auto& [key, value] : secret.stringData) secret.data[key.view()] = Bytes{value};
  secret.stringData.clear();
}

void ValidateSecret(const Object& next, const Object* before, std::string_view, ErrorList& errors) {
  const auto& secret = next.As<Secret>();
  const FieldPath data("data");
  ValidateKeys(secret.data, data, errors);
  if (SizeOf(secret.data) > kMaxDataBytes) errors.TooLong(data, kMaxDataBytes);
  const auto require = [&](std::string_view key) {
    if (!secret.data.Contains(key)) errors.Required(data.Key(key), "");
  };
  if (secret.type == "kubernetes.io/dockerconfigjson") require(".dockerconfigjson");
  if (secret.type == "kubernetes.io/dockercfg") require(".dockercfg");
  if (secret.type == "kubernetes.io/ssh-auth") require("ssh-privatekey");
  if (secret.type == "kubernetes.io/basic-auth" && !secret.data.Contains("username") &&
      !secret.data.Contains("password")) {
    errors.Required(data.Key("username"), "");
    errors.Required(data.Key("password"), "");
  }
  if (secret.type == "kubernetes.io/tls") {
    require("tls.crt");
    require("tls.key");
  }
  if (secret.type == "kubernetes.io/service-account-token") {
    const Str* account = secret.metadata.annotations.Find("kubernetes.io/service-account.name");
    if (account == nullptr || account->empty()) {
      const FieldPath annotations("metadata.annotations");
      errors.Required(annotations.Key("kubernetes.io/service-account.name"), "");
    }
  }
  if (before == nullptr) return;
  const auto& old = before->As<Secret>();
  if (!(secret.type == old.type)) errors.Immutable(FieldPath("type"), secret.type);
  if (!old.immutable.value_or(false)) return;
  if (!secret.immutable.value_or(false)) {
    errors.Forbidden(FieldPath("immutable"), "field is immutable when `immutable` is set");
  }
  if (!(secret.data == old.data)) errors.Forbidden(data, "field is immutable when `immutable` is set");
}

constexpr SelectableField kNamespaceSelectors[] = {"status.phase"};
constexpr SelectableField kNodeSelectors[] = {"spec.unschedulable"};
constexpr SelectableField kSecretSelectors[] = {"type"};

const Strategy kKinds[] = {
    {.group = "",
     .plural = "namespaces",
     .name = LabelName,
     .returns_deleted = true,
     .status_writes_metadata = kMetadataParts,
     .field_selectors = kNamespaceSelectors,
     .prepare = PrepareNamespace,
     .defaults = DefaultNamespace},
    {.group = "",
     .plural = "nodes",
     .status_writes_metadata = kMetadataParts,
     .status_on_create = true,
     .field_selectors = kNodeSelectors,
     .defaults = DefaultNode,
     .validate = ValidateNode},
    {.group = "", .plural = "configmaps", .validate = ValidateConfigMap},
    {.group = "",
     .plural = "secrets",
     .field_selectors = kSecretSelectors,
     .defaults = FoldStringData,
     .validate = ValidateSecret},
    {.group = "", .plural = "serviceaccounts", .returns_deleted = true},
};

}  // namespace

std::span<const Strategy> CoreKinds() { return kKinds; }

}  // namespace minikube::api
