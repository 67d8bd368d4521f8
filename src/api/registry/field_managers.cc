#include "api/registry/field_managers.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "api/world/catalogue.h"
#include "model/field_errors.h"
#include "structural/structural_schema.h"

namespace minikube::api {

namespace {

constexpr std::size_t kMaxManager = 128;  // bytes

// The character of UTF-8 at the beginning of `text`, and whether it is printable. What is no UTF-8 is a byte of its
// own.
struct Character {
  std::size_t size = 1;
  char32_t code = 0;
  bool printable = false;
};

Character FirstCharacter(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  Character out{1, byte(0), byte(0) >= 0x20 && byte(0) != 0x7f};
  const std::size_t size = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : byte(0) >= 0xc2 ? 2 : 1;
  if (size == 1 || size > text.size()) return out;
  char32_t code = byte(0) & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return out;
    code = code << 6 | (byte(i) & 0x3f);
  }
  return {size, code, code > 0xa0};
}

std::string Printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character next = FirstCharacter(text);
    if (next.printable && out.size() + next.size > kMaxManager) break;
    if (next.printable) out.append(text.substr(0, next.size));
    text.remove_prefix(next.size);
  }
  return out;
}

std::string_view OptionsKind(Verb verb) {
  return verb == Verb::kCreate ? "CreateOptions" : verb == Verb::kUpdate ? "UpdateOptions" : "PatchOptions";
}

// What a write to a subresource ("" = the object itself) cannot change, where that is not simply the other half.
struct Resets {
  std::string_view group;
  std::string_view plural;
  std::string_view subresource;
  std::span<const std::string_view> fields;
};

constexpr std::array<std::string_view, 1> kStatus = {"status"};
constexpr std::array<std::string_view, 1> kSpec = {"spec"};
constexpr std::array<std::string_view, 2> kSpecAndMetadata = {"spec", "metadata"};
constexpr std::array<std::string_view, 2> kSpecAndLabels = {"spec", "metadata.labels"};
constexpr std::array<std::string_view, 3> kSpecAndOwners = {"spec", "metadata.deletionTimestamp",
                                                            "metadata.ownerReferences"};
constexpr std::array<std::string_view, 2> kSpecAndStatus = {"spec", "status"};
constexpr std::array<std::string_view, 2> kSpecAndConditions = {"spec", "status.conditions"};
constexpr std::array<std::string_view, 2> kSpecAndCertificate = {"spec", "status.certificate"};

// As the strategies of kube-apiserver say (GetResetFields).
constexpr Resets kResets[] = {
    {"admissionregistration.k8s.io", "validatingadmissionpolicies", "status", kSpecAndMetadata},
    {"apps", "deployments", "status", kSpecAndLabels},
    {"certificates.k8s.io", "certificatesigningrequests", "", kSpecAndStatus},
    {"certificates.k8s.io", "certificatesigningrequests", "status", kSpecAndConditions},
    {"certificates.k8s.io", "certificatesigningrequests", "approval", kSpecAndCertificate},
    {"flowcontrol.apiserver.k8s.io", "flowschemas", "status", kSpecAndMetadata},
    {"flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "status", kSpecAndMetadata},
    {"internal.apiserver.k8s.io", "storageversions", "status", kSpecAndMetadata},
    {"networking.k8s.io", "servicecidrs", "status", kSpecAndMetadata},
    {"resource.k8s.io", "devicetaintrules", "status", kSpecAndMetadata},
    {"resource.k8s.io", "resourceclaims", "status", kSpecAndMetadata},
    {"resource.k8s.io", "resourcepoolstatusrequests", "status", kSpecAndMetadata},
    {"scheduling.k8s.io", "podgroups", "status", kSpecAndMetadata},
    {"storage.k8s.io", "volumeattachments", "status", kSpecAndMetadata},
    {"storagemigration.k8s.io", "storageversionmigrations", "status", kSpecAndMetadata},
    {"", "namespaces", "finalize", kStatus},
    {"", "pods", "status", kSpecAndOwners},
};

std::span<const std::string_view> ResetsOf(const Attempt& attempt) {
  const ResourceDesc& resource = attempt.resource();
  const std::string& subresource = attempt.request().subresource;
  for (const Resets& resets : kResets) {
    const bool meant = resets.plural == resource.plural && resets.group == resource.group;
    if (meant && resets.subresource == subresource) return resets.fields;
  }
  if (subresource == "status") return kSpec;
  if (subresource.empty() && attempt.kind->has_status_subresource) return kStatus;
  return {};
}

}  // namespace

std::string ManagerOfUserAgent(std::string_view user_agent) {
  return Printable(user_agent.substr(0, user_agent.find('/')));
}

std::string ManagerOfUser(const UserInfo& user) {
  constexpr std::string_view kControllers = "system:serviceaccount:kube-system:";
  constexpr std::string_view kSystem = "system:";
  if (user.name.starts_with(kControllers)) return "kube-controller-manager";
  if (user.name.starts_with("system:node:")) return "kubelet";
  if (user.name == "system:apiserver") return "kube-apiserver";
  if (!user.name.starts_with(kSystem) || user.name.starts_with("system:serviceaccount:")) return Printable(user.name);
  return Printable(user.name.substr(kSystem.size()));
}

Status CheckFieldManager(const ApiRequest& request) {
  ErrorList errors;
  const FieldPath path("fieldManager");
  const bool patches = request.verb == Verb::kPatch;
  const bool applies = patches && request.patch_type == PatchType::kApply;
  if (applies && request.field_manager.empty()) errors.Required(path, "is required for apply patch");
  if (patches && !applies && request.force) {
    errors.Forbidden(FieldPath("force"), "may not be specified for non-apply patch");
  }
  if (request.field_manager.size() > kMaxManager) errors.TooLong(path, kMaxManager);
  std::string_view left = request.field_manager;
  while (!left.empty()) {
    const Character next = FirstCharacter(left);
    if (!next.printable) {
      errors.Invalid(path, request.field_manager,
                     fmt::format("invalid character U+{:04X} (at position {})", static_cast<std::uint32_t>(next.code),
                                 request.field_manager.size() - left.size()));
    }
    left.remove_prefix(next.size);
  }
  return errors.ToStatus("meta.k8s.io", OptionsKind(request.verb), "");
}

bool Applies(const Attempt& attempt) {
  return attempt.request().verb == Verb::kPatch && attempt.request().patch_type == PatchType::kApply;
}

FieldManager ManagerOf(const Attempt& attempt) {
  const ApiRequest& request = attempt.request();
  FieldManager out;
  out.name = request.field_manager.empty() ? attempt.operation.context.manager : request.field_manager;
  out.subresource = request.subresource;
  out.now = attempt.core.env.clock().Now();
  out.ignored_fields = ResetsOf(attempt);
  out.type = attempt.resource().message;
  const StructuralSchema* schema = attempt.world->catalogue->SchemaOf(attempt.resource());
  if (schema != nullptr) out.shape = &schema->root();  // lives as long as the world
  return out;
}

Status ManageFields(Attempt& attempt) {
  if (attempt.effect == Attempt::Effect::kCreate) {
    if (!Applies(attempt)) TrackCreate(*attempt.next, ManagerOf(attempt));
    return {};
  }
  const Verb verb = attempt.request().verb;
  if (attempt.effect != Attempt::Effect::kUpdate || (verb != Verb::kUpdate && verb != Verb::kPatch)) return {};
  // What is shown in another type (scale) has brought managedFields of its own.
  const bool same_type = &attempt.message() == attempt.resource().message;
  if (same_type && !Applies(attempt)) TrackUpdate(*attempt.before, *attempt.next, ManagerOf(attempt));
  return {};
}

}  // namespace minikube::api
