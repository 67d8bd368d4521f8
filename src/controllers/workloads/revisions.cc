#include "controllers/workloads/revisions.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <minikube/codec.h>

#include "kube/names.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

using core::v1::PodTemplateSpec;

constexpr std::string_view kBefore = R"({"spec":{"template":)";
constexpr std::size_t kMaxPrefix = 223;  // what is left of a name of 253 characters for the hash

}  // namespace

// As Go writes a map: clients compare a revision's bytes with those they make of the template themselves.
RawJson RevisionData(const PodTemplateSpec& pod_template) {
  std::string text;
  EncodeJsonMessage(DescriptorOf<PodTemplateSpec>(), &pod_template, text);
  nlohmann::json data;
  data["spec"]["template"] = nlohmann::json::parse(text);
  data["spec"]["template"]["$patch"] = "replace";
  std::string out;
  for (const char c : data.dump()) {  // its keys are sorted
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return RawJson{out};
}

std::optional<PodTemplateSpec> TemplateOf(const Revision& revision) {
  std::string_view json = revision.data.json;
  const std::size_t mark = json.find(R"("$patch":"replace")");
  if (!json.starts_with(kBefore) || !json.ends_with("}}") || mark == std::string_view::npos) return std::nullopt;
  json = json.substr(kBefore.size(), json.size() - kBefore.size() - 2);
  PodTemplateSpec out;
  std::string text(json);
  const std::size_t at = text.find(R"("$patch":"replace")");
  std::size_t length = std::string_view(R"("$patch":"replace")").size();
  if (at + length < text.size() && text[at + length] == ',') ++length;
  text.erase(at, length);
  if (!DecodeJsonMessage(DescriptorOf<PodTemplateSpec>(), text, &out).ok()) return std::nullopt;
  return out;
}

RevisionStep SyncRevision(const meta::v1::ObjectMeta& owner, const PodTemplateSpec& pod_template,
                          std::vector<const Revision*>& revisions, std::int32_t collisions,
                          const std::function<bool(std::string_view)>& taken, Plan& plan, std::string_view hash_label) {
  std::sort(revisions.begin(), revisions.end(), [](const Revision* a, const Revision* b) {
    return a->revision != b->revision ? a->revision < b->revision : kube::Older(a->metadata, b->metadata);
  });
  const RawJson data = RevisionData(pod_template);
  RevisionStep step{nullptr, collisions};
  const auto same = [&](const Revision* revision) {
    const std::optional<PodTemplateSpec> old = TemplateOf(*revision);
    return revision->data == data || (old && DeepEqual(*old, pod_template));
  };
  const auto found = std::find_if(revisions.rbegin(), revisions.rend(), same);
  if (found == revisions.rbegin() && found != revisions.rend()) {
    step.update = *found;
    return step;
  }
  const std::int64_t next = revisions.empty() ? 1 : revisions.back()->revision + 1;
  if (found != revisions.rend()) {
    Revision again = **found;
    again.revision = next;
    plan.Update(again);
    return step;
  }
  const auto name_for = [&](std::int32_t count) {
    const std::string hash =
        kube::SafeEncode(kube::Hash(data.json.str() + (count > 0 ? "\n" + std::to_string(count) : std::string())));
    return std::pair(owner.name.str().substr(0, kMaxPrefix) + "-" + hash, hash);
  };
  auto [name, hash] = name_for(collisions);
  // Another template has the same hash: the count makes the next hash a different one.
  while (taken(name)) std::tie(name, hash) = name_for(++step.collisions);
  Revision revision;
  revision.metadata.name = name;
  revision.metadata.namespace_ = owner.namespace_;
  revision.metadata.labels = pod_template.metadata.labels;
  revision.metadata.labels[hash_label] = hash;
  revision.metadata.ownerReferences = owner.ownerReferences;
  revision.data = data;
  revision.revision = next;
  plan.Create(revision).Ignore(NamespaceTerminating);
  return step;
}

void TruncateHistory(const std::vector<const Revision*>& revisions, const std::set<std::string_view>& live,
                     std::int32_t limit, Plan& plan) {
  std::vector<const Revision*> old;
  std::copy_if(revisions.begin(), revisions.end(), std::back_inserter(old),
               [&](const Revision* each) { return !live.contains(each->metadata.name); });
  for (std::size_t i = 0; limit >= 0 && i + static_cast<std::size_t>(limit) < old.size(); ++i) {
    plan.Delete(*old[i]).IgnoreGone();
  }
}

}  // namespace minikube::controllers
