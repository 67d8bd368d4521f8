#include "model/apply.h"

#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/convert.h"
#include "model/field_errors.h"
#include "model/json_text.h"
#include "model/managed_fields.h"
#include "model/message_fields.h"
#include "model/typed_json.h"

namespace minikube {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kBeforeFirstApply = "before-first-apply";
constexpr std::string_view kKubectl = "kubectl";
constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::size_t kMaxUpdaters = 10;
constexpr int kMaxDepth = 200;

std::string ApiVersionOf(const MessageDesc& desc) {
  return desc.gvk.group.empty() ? std::string(desc.gvk.version)
                                : fmt::format("{}/{}", desc.gvk.group, desc.gvk.version);
}

// The type of that apiVersion with the kind of `desc`; null if it is served no more.
const MessageDesc* InVersion(const MessageDesc& desc, std::string_view api_version) {
  if (ApiVersionOf(desc) == api_version) return &desc;
  const std::size_t slash = api_version.find('/');
  return slash == std::string_view::npos
             ? FindKind("", api_version, desc.gvk.kind)
             : FindKind(api_version.substr(0, slash), api_version.substr(slash + 1), desc.gvk.kind);
}

Json DocumentOf(const Object& object) {
  Result<Json> out = ParseJson(EncodeJson(object), kMaxDepth);
  Json document = out ? std::move(*out) : Json::object();
  // Field sets do not speak of themselves, and comparing them would be the greater part of the work.
  if (const auto metadata = document.find("metadata"); metadata != document.end() && metadata->is_object()) {
    metadata->erase("managedFields");
  }
  return document;
}

// Whether objects of that type have members that are no fields: then only their documents show all.
bool IsOpen(const MessageDesc& desc) { return !desc.fields.empty() && desc.fields.back().has(kFieldRest); }

// What a version of an object changes against another, as seen in each apiVersion that a manager speaks.
class VersionedChanges {
 public:
  // Without what is in `ignored`: see FieldManager::ignored_fields.
  VersionedChanges(const Object& before, const Object& after, const FieldManager& manager)
      : before_(before), after_(after), ignored_(manager.ignored_fields), shape_(manager.shape) {}

  // Null if the version is served no more.
  const FieldChanges* In(const std::string& api_version) {
    const auto known = cache_.find(api_version);
    if (known != cache_.end()) return known->second ? &*known->second : nullptr;
    std::optional<FieldChanges>& slot = cache_[api_version];
    const MessageDesc* desc = InVersion(after_.desc(), api_version);
    if (desc == nullptr) return nullptr;
    if (desc == &before_.desc() && desc == &after_.desc()) {
      slot = Compare(before_, after_);
    } else {
      Result<ObjectPtr> before = Convert(before_, *desc);
      Result<ObjectPtr> after = Convert(after_, *desc);
      if (!before || !after) return nullptr;
      slot = Compare(**before, **after);
    }
    for (std::string_view path : ignored_) {
      slot->added.ErasePath(path);
      slot->modified.ErasePath(path);
      slot->removed.ErasePath(path);
    }
    return &*slot;
  }

 private:
  // Of two objects of one type.
  FieldChanges Compare(const Object& before, const Object& after) const {
    const MessageDesc& desc = before.desc();
    if (!IsOpen(desc)) return CompareMessages(desc, before.data(), after.data());
    return CompareDocuments(desc, DocumentOf(before), DocumentOf(after), shape_);
  }

  const Object& before_;
  const Object& after_;
  const std::span<const std::string_view> ignored_;
  const MergeShape* const shape_;
  std::map<std::string, std::optional<FieldChanges>> cache_;
};

// Takes out what the server sets or identifies the object, which is nobody's, and what the write cannot change.
void Strip(FieldSet& fields, std::span<const std::string_view> ignored) {
  static const FieldSet kNobodys = [] {
    FieldSet out;
    out.At("f:apiVersion").set_member();
    out.At("f:kind").set_member();
    FieldSet& metadata = out.At("f:metadata");
    metadata.set_member();
    for (std::string_view name : NobodysNames()) metadata.At(std::string("f:").append(name)).set_member();
    return out;
  }();
  fields.Subtract(kNobodys);
  for (std::string_view path : ignored) fields.ErasePath(path);
}

std::optional<Time> Seconds(WallTime now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  return Time{Instant::FromUnixMicros(seconds.count() * 1'000'000)};
}

struct Conflict {
  ManagerId manager;
  FieldSet fields;
};

// Takes what changed away from every manager but `self`; returns what they lose by its being changed rather than
// removed. Managers left with nothing, or of a version served no more, go.
std::vector<Conflict> TakeFromOthers(VersionedChanges& changes, const ManagerId* self, ManagedFields& managers) {
  std::vector<Conflict> conflicts;
  for (auto it = managers.begin(); it != managers.end();) {
    if (self != nullptr && it->first == *self) {
      ++it;
      continue;
    }
    const FieldChanges* in = changes.In(it->second.api_version);
    if (in == nullptr) {
      it = managers.erase(it);
      continue;
    }
    FieldSet changed = in->modified;
    changed.Union(in->added);
    changed.Intersect(*it->second.fields);
    FieldSet removed = in->removed;
    removed.Intersect(*it->second.fields);
    // Most managers lose nothing, and go on sharing their set.
    if (!changed.empty() || !removed.empty()) {
      FieldSet& fields = it->second.fields.Mutable();
      fields.Subtract(changed);
      fields.Subtract(removed);
    }
    if (!changed.empty()) conflicts.push_back({it->first, std::move(changed)});
    it = it->second.fields->empty() ? managers.erase(it) : std::next(it);
  }
  return conflicts;
}

void Track(const Object& before, const Object& after, const FieldManager& manager, ManagedFields& managers) {
  VersionedChanges changes(before, after, manager);
  const std::string api_version = ApiVersionOf(manager.type != nullptr ? *manager.type : after.desc());
  const FieldChanges* own = changes.In(api_version);
  if (own == nullptr || own->empty()) return;
  TakeFromOthers(changes, nullptr, managers);
  FieldSet taken = own->modified;
  taken.Union(own->added);
  Strip(taken, manager.ignored_fields);
  if (!taken.empty()) {
    ManagedSet& set = managers[ManagerId{manager.name, ManagerOperation::kUpdate, api_version, manager.subresource}];
    set.fields.Mutable().Union(taken);
    set.api_version = api_version;
    set.time = Seconds(manager.now);
  }
  CapUpdaters(managers, kMaxUpdaters);
}

Status ConflictStatus(const std::vector<Conflict>& conflicts, const ManagedFields& before) {
  StatusDetails details;
  std::string lines;
  std::string only;
  for (const Conflict& conflict : conflicts) {
    const std::string who = DescribeManager(conflict.manager, before.at(conflict.manager));
    lines.append(lines.empty() ? "" : "\n").append("conflicts with ").append(who).append(":");
    conflict.fields.ForEachPath([&](const std::string& path) {
      details.causes.push_back({"FieldManagerConflict", "conflict with " + who, path});
      lines.append("\n- ").append(path);
      only = fmt::format("conflict with {}: {}", who, path);
    });
  }
  const std::size_t count = details.causes.size();
  std::string message = count == 1 ? "Apply failed with 1 conflict: " + only
                                   : fmt::format("Apply failed with {} conflicts: {}", count, lines);
  return {Code::kConflict, std::move(message), std::move(details)};
}

// What `kubectl apply` (client-side) set last, which `kubectl apply --server-side` may take over without a conflict.
FieldSet LastApplied(const Object& current, const MergeShape* shape) {
  const Str* text = current.desc().metadata_field >= 0 ? current.meta().annotations.Find(kLastApplied) : nullptr;
  if (text == nullptr) return {};
  const Result<Json> config = ParseJson(*text, kMaxDepth);
  if (!config) return {};
  Result<FieldSet> fields = FieldsOf(current.desc(), *config, shape);
  return fields ? std::move(*fields) : FieldSet();
}

// The configuration as kubectl's annotation holds it.
std::string AsLastApplied(Json config) {
  if (const auto metadata = config.find("metadata"); metadata != config.end() && metadata->is_object()) {
    const auto annotations = metadata->find("annotations");
    if (annotations != metadata->end() && annotations->is_object()) annotations->erase(kLastApplied);
  }
  return JsonText(config) + "\n";
}

Result<Json> ReadConfig(const MessageDesc& desc, std::string_view config, const DecodeOptions& options) {
  Result<Json> document = ParseJson(config, options.max_depth);
  if (!document) return document.status().WithContext("error decoding YAML");
  if (!document->is_object()) return Status(Code::kBadRequest, "error decoding YAML: not an object");
  const auto version = document->find("apiVersion");
  if (version != document->end() && version->is_string() && *version != ApiVersionOf(desc)) {
    return Status(Code::kBadRequest,
                  fmt::format("Incorrect version specified in apply patch. Specified patch version: {}, expected: {}",
                              version->get<std::string>(), ApiVersionOf(desc)));
  }
  // Unknown fields have no owner: whatever the request says about validation, they cannot be applied.
  DecodeOptions strict = options;
  strict.validation = FieldValidation::kStrict;
  Result<ObjectPtr> object = Decode(MediaType::kJson, config, &desc, strict);
  if (!object) {
    return Status(Code::kBadRequest, fmt::format("failed to create typed patch object: {}", object.status().message()));
  }
  if (desc.metadata_field >= 0 && !(*object)->meta().managedFields.empty()) {
    return Status(Code::kBadRequest, "metadata.managedFields must be nil");
  }
  if (const auto metadata = document->find("metadata"); metadata != document->end() && metadata->is_object()) {
    metadata->erase("managedFields");
  }
  return document;
}

// Takes out of `merged` what the manager applied last time, applies no more, and nobody else has set.
Result<Json> Abandon(const MessageDesc& desc, Json merged, const ManagedSet& last, const ManagedFields& managers,
                     const MergeShape* shape, const DecodeOptions& options) {
  FieldSet owned;
  for (const auto& [id, set] : managers) owned.Union(*set.fields);
  const MessageDesc* then = InVersion(desc, last.api_version);
  if (then == nullptr || then == &desc) {
    if (then != nullptr) RemoveFields(desc, merged, *last.fields, owned, shape);
    return merged;
  }
  // It was applied in another version: its fields have a meaning only there.
  Result<ObjectPtr> object = Decode(MediaType::kJson, JsonText(merged), &desc, options);
  if (!object) return object.status();
  Result<ObjectPtr> old = Convert(**object, *then);
  if (!old) return old.status();
  Json document = DocumentOf(**old);
  RemoveFields(*then, document, *last.fields, owned, shape);
  old = Decode(MediaType::kJson, JsonText(document), then, options);
  if (!old) return old.status();
  object = Convert(**old, desc);
  if (!object) return object.status();
  return DocumentOf(**object);
}

}  // namespace

Result<ObjectPtr> ServerSideApply(const MessageDesc& desc, const Object* current, std::string_view config,
                                  ApplyForce force, const FieldManager& manager, const DecodeOptions& options) {
  if (desc.metadata_field < 0) return Status(Code::kBadRequest, fmt::format("{} cannot be applied", desc.gvk.kind));
  Result<Json> applied = ReadConfig(desc, config, options);
  if (!applied) return applied.status();
  Result<FieldSet> fields = FieldsOf(desc, *applied, manager.shape);
  if (!fields) return fields.status().WithContext("failed to create typed patch object");
  Strip(*fields, manager.ignored_fields);

  const ObjectPtr nothing = ObjectPtr::New(desc);
  const Object& live = current != nullptr ? *current : *nothing;
  ManagedFields managers;
  if (Result<ManagedFields> read = ReadManagedFields(live.meta().managedFields)) managers = std::move(*read);
  if (managers.empty() && current != nullptr) {
    FieldManager before = manager;
    before.name = kBeforeFirstApply;
    before.type = &desc;
    Track(*nothing, live, before, managers);
  }

  const ManagerId self{manager.name, ManagerOperation::kApply, "", manager.subresource};
  std::optional<ManagedSet> last;
  if (const auto it = managers.find(self); it != managers.end()) last = it->second;
  managers[self] = {SharedFields(*fields), ApiVersionOf(desc), last ? last->time : std::nullopt};

  Json merged = DocumentOf(live);
  MergeFields(desc, merged, *applied, manager.shape);
  if (last) {
    Result<Json> pruned = Abandon(desc, std::move(merged), *last, managers, manager.shape, options);
    if (!pruned) return pruned.status();
    merged = std::move(*pruned);
  }
  const std::string text = JsonText(merged);
  Result<ObjectPtr> result = Decode(MediaType::kJson, text, &desc, options);
  if (!result) {
    ErrorList errors;
    errors.Invalid(FieldPath("patch"), text, result.status().message());
    return errors.ToStatus("", "", "");
  }

  const ManagedFields owners = managers;
  VersionedChanges changes(live, **result, manager);
  std::vector<Conflict> conflicts = TakeFromOthers(changes, &self, managers);
  if (manager.name == kKubectl && !conflicts.empty()) {
    const FieldSet allowed = LastApplied(live, manager.shape);
    for (Conflict& conflict : conflicts) conflict.fields.Subtract(allowed);
    std::erase_if(conflicts, [](const Conflict& conflict) { return conflict.fields.empty(); });
  }
  if (force == ApplyForce::kNo && !conflicts.empty()) return ConflictStatus(conflicts, owners);

  meta::v1::ObjectMeta& metadata = (*result)->mutable_meta();
  if (manager.name == kKubectl && live.meta().annotations.Contains(kLastApplied)) {
    metadata.annotations[kLastApplied] = AsLastApplied(*applied);
  }
  // The time tells when a manager last changed something; applying the same again does not.
  const FieldChanges* own = changes.In(ApiVersionOf(desc));
  const bool changed = !last || !(*last->fields == *fields) || own == nullptr || !own->added.empty() ||
                       !own->modified.empty() || !own->removed.empty();
  if (const auto it = managers.find(self); it != managers.end()) {
    if (it->second.fields->empty()) {
      managers.erase(it);
    } else if (changed) {
      it->second.time = Seconds(manager.now);
    }
  }
  metadata.managedFields = WriteManagedFields(managers);
  return result;
}

// FieldsV1 JSON of what a new object sets.
static Str FieldsOfCreated(const Object& object, const FieldManager& manager) {
  const MessageDesc& desc = object.desc();
  if (!IsOpen(desc)) return FieldsOfNew(desc, object.data(), manager.ignored_fields);
  const ObjectPtr nothing = ObjectPtr::New(desc);
  FieldSet fields = CompareDocuments(desc, DocumentOf(*nothing), DocumentOf(object), manager.shape).added;
  Strip(fields, manager.ignored_fields);
  return Str(fields.ToJson());
}

Result<ObjectPtr> MergeConfiguration(const MessageDesc& desc, const Object& live, std::string_view config,
                                     const MergeShape* shape) {
  DecodeOptions strict;
  strict.validation = FieldValidation::kStrict;
  const Result<ObjectPtr> object = Decode(MediaType::kJson, config, &desc, strict);
  Result<Json> document = ParseJson(config, kMaxDepth);
  const Status wrong = !object ? object.status() : !document ? document.status() : Status();
  if (!wrong.ok()) {
    return Status(Code::kBadRequest, "failed to convert patch object to typed object: " + wrong.message());
  }
  const Result<FieldSet> fields = FieldsOf(desc, *document, shape);
  if (!fields) return fields.status().WithContext("failed to convert patch object to typed object");
  if (const std::vector<std::string> atomic = AtomicFields(desc, *document, shape); !atomic.empty()) {
    return Status(Code::kBadRequest,
                  fmt::format("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {}",
                              fmt::join(atomic, ", ")));
  }
  Json merged = DocumentOf(live);
  MergeFields(desc, merged, *document, shape);
  Result<ObjectPtr> result = Decode(MediaType::kJson, JsonText(merged), &desc);
  if (!result) return result.status();
  (*result)->mutable_meta().managedFields = live.meta().managedFields;
  return result;
}

void TrackCreate(Object& created, const FieldManager& manager) {
  if (created.desc().metadata_field < 0) return;
  const MessageDesc& type = manager.type != nullptr ? *manager.type : created.desc();
  ManagedFields managers;
  if (const auto& sent = created.meta().managedFields; !sent.empty()) {
    if (Result<ManagedFields> read = ReadManagedFields(sent)) managers = std::move(*read);
  }
  if (!managers.empty()) {
    const ObjectPtr nothing = ObjectPtr::New(created.desc());
    Track(*nothing, created, manager, managers);
    created.mutable_meta().managedFields = WriteManagedFields(managers);
    return;
  }
  created.mutable_meta().managedFields = {};
  ObjectPtr converted;
  if (&type != &created.desc()) {
    Result<ObjectPtr> other = Convert(created, type);
    if (!other) return;
    converted = std::move(*other);
  }
  const Str fields = FieldsOfCreated(converted ? *converted : created, manager);
  if (fields == "{}") return;
  created.mutable_meta().managedFields = OneEntry(
      {manager.name, ManagerOperation::kUpdate, ApiVersionOf(type), manager.subresource}, fields, Seconds(manager.now));
}

void TrackUpdate(const Object& before, Object& after, const FieldManager& manager) {
  if (after.desc().metadata_field < 0 || before.desc().metadata_field < 0) return;
  const List<meta::v1::ManagedFieldsEntry> kept = before.meta().managedFields;
  const List<meta::v1::ManagedFieldsEntry> sent = after.meta().managedFields;
  const bool reset = sent.size() == 1 && IsEmptyEntry(sent[0]);
  ManagedFields managers;
  if (!reset) {
    Result<ManagedFields> read = ReadManagedFields(sent);
    if (!manager.subresource.empty() || !read || read->empty()) read = ReadManagedFields(kept);
    if (read) managers = std::move(*read);
  }
  if (managers.empty()) {
    if (!sent.empty()) after.mutable_meta().managedFields = {};
    return;
  }
  Track(before, after, manager, managers);
  after.mutable_meta().managedFields = WriteManagedFields(managers);
}

}  // namespace minikube
