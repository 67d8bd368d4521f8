// Finding descriptors by name: binary searches over indexes of the generated tables, made when first needed.
#include <algorithm>
#include <string_view>
#include <tuple>
#include <vector>

#include <minikube/descriptor.h>

namespace minikube {
namespace {

using Key = std::tuple<std::string_view, std::string_view, std::string_view>;

Key KindKey(const MessageDesc* m) { return {m->gvk.kind, m->gvk.version, m->gvk.group}; }
Key ResourceKey(const ResourceDesc* r) { return {r->plural, r->version, r->group}; }

// Sorted pointers; immutable once made.
struct Indexes {
  std::vector<const MessageDesc*> by_name;
  std::vector<const MessageDesc*> by_kind;
  std::vector<const ResourceDesc*> by_resource;

  Indexes() {
    for (const MessageDesc* m : AllMessages()) {
      by_name.push_back(m);
      if (!m->gvk.kind.empty()) by_kind.push_back(m);
    }
    for (const ResourceDesc& r : AllResources()) by_resource.push_back(&r);
    std::sort(by_name.begin(), by_name.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
    std::sort(by_kind.begin(), by_kind.end(), [](const auto* a, const auto* b) { return KindKey(a) < KindKey(b); });
    std::sort(by_resource.begin(), by_resource.end(),
              [](const auto* a, const auto* b) { return ResourceKey(a) < ResourceKey(b); });
  }
  static const Indexes& Get() {
    static const Indexes indexes;
    return indexes;
  }
};

template <typename T, typename K, typename KeyOf>
const T* Search(const std::vector<const T*>& sorted, const K& key, KeyOf key_of) {
  const auto found =
      std::lower_bound(sorted.begin(), sorted.end(), key, [&](const T* item, const K& k) { return key_of(item) < k; });
  return found != sorted.end() && key_of(*found) == key ? *found : nullptr;
}

}  // namespace

const FieldDesc* MessageDesc::Find(std::string_view json_name) const {
  std::size_t low = 0;
  std::size_t high = by_name.size();
  while (low < high) {
    const std::size_t mid = (low + high) / 2;
    const FieldDesc& field = fields[by_name[mid]];
    const int order = field.name.compare(json_name);
    if (order == 0) return &field;
    order < 0 ? void(low = mid + 1) : void(high = mid);
  }
  return nullptr;
}

const MessageDesc* FindMessage(std::string_view openapi_name) {
  return Search(Indexes::Get().by_name, openapi_name, [](const MessageDesc* m) { return m->name; });
}

const MessageDesc* FindKind(std::string_view group, std::string_view version, std::string_view kind) {
  return Search(Indexes::Get().by_kind, Key(kind, version, group), KindKey);
}

const ResourceDesc* FindResource(std::string_view group, std::string_view version, std::string_view plural) {
  return Search(Indexes::Get().by_resource, Key(plural, version, group), ResourceKey);
}

}  // namespace minikube
