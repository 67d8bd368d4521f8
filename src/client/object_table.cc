#include "client/object_table.h"

#include <algorithm>

namespace minikube::client {

namespace {

std::vector<std::string> ValuesOf(const TableIndex& index, const Object* object) {
  if (object == nullptr) return {};
  std::vector<std::string> values = index.values(*object);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace

ObjectTable::ObjectTable(std::shared_ptr<const TableIndexes> indexes) : specs_(std::move(indexes)) {
  if (specs_ != nullptr) indexes_.resize(specs_->size());
}

ObjectTable ObjectTable::FromSorted(std::vector<Entry> entries, std::shared_ptr<const TableIndexes> indexes) {
  ObjectTable table(std::move(indexes));
  for (std::size_t i = 0; i < table.indexes_.size(); ++i) {
    std::vector<IndexEntry> found;
    for (const Entry& entry : entries) {
      const meta::v1::ObjectMeta& meta = entry.object->meta();
      for (const std::string& value : ValuesOf((*table.specs_)[i], entry.object.get())) {
        found.push_back({Str(value), meta.namespace_, meta.name});
      }
    }
    std::sort(found.begin(), found.end(), [](const IndexEntry& a, const IndexEntry& b) {
      return IndexOrder::Compare(IndexOrder::KeyOf(a), IndexOrder::KeyOf(b)) < 0;
    });
    // Entries of one value share its string.
    for (std::size_t k = 1; k < found.size(); ++k) {
      if (found[k].value == found[k - 1].value) found[k].value = found[k - 1].value;
    }
    table.indexes_[i] = IndexMap::FromSorted(std::move(found));
  }
  table.objects_ = EntryMap::FromSorted(std::move(entries));
  return table;
}

void ObjectTable::Set(Entry entry) {
  if (!indexes_.empty()) {
    const Entry* before = objects_.Find(EntryOrder::KeyOf(entry));
    Update(before != nullptr ? before->object.get() : nullptr, entry.object.get());
  }
  objects_.Set(std::move(entry));
}

bool ObjectTable::Erase(const NameKey& key) {
  const Entry* before = objects_.Find(key);
  if (before == nullptr) return false;
  Update(before->object.get(), nullptr);
  return objects_.Erase(key);
}

const IndexMap* ObjectTable::FindIndex(std::string_view name) const {
  for (std::size_t i = 0; i < indexes_.size(); ++i) {
    if ((*specs_)[i].name == name) return &indexes_[i];
  }
  return nullptr;
}

void ObjectTable::Update(const Object* before, const Object* after) {
  for (std::size_t i = 0; i < indexes_.size(); ++i) {
    const std::vector<std::string> old_values = ValuesOf((*specs_)[i], before);
    const std::vector<std::string> new_values = ValuesOf((*specs_)[i], after);
    if (old_values == new_values) continue;
    IndexMap& index = indexes_[i];
    const meta::v1::ObjectMeta& meta = (after != nullptr ? after : before)->meta();
    const NameKey key{meta.namespace_.view(), meta.name.view()};
    for (const std::string& value : old_values) {
      if (!std::binary_search(new_values.begin(), new_values.end(), value)) index.Erase({value, key});
    }
    for (const std::string& value : new_values) {
      if (std::binary_search(old_values.begin(), old_values.end(), value)) continue;
      const auto next = index.LowerBound({value, {}});
      const bool known = next && next->value == value;
      index.Set({known ? next->value : Str(value), meta.namespace_, meta.name});
    }
  }
}

}  // namespace minikube::client
