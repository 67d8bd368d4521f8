#include <minikube/store.h>

#include <utility>

namespace minikube {

namespace {

Result<std::optional<KeyValue>> OnlyOne(Result<RangeResult> range) {
  if (!range) return range.status();
  if (range->kvs.empty()) return std::optional<KeyValue>();
  return std::optional<KeyValue>(std::move(range->kvs.front()));
}

}  // namespace

Result<std::optional<KeyValue>> Store::Get(std::string_view key, Revision revision) const {
  return OnlyOne(Range(key, {.revision = revision}));
}

void Store::Get(std::string key, Revision revision, Strand& strand,
                Function<void(Result<std::optional<KeyValue>>)> done) const {
  Range(std::move(key), {.revision = revision}, strand,
        [done = std::move(done)](Result<RangeResult> range) { done(OnlyOne(std::move(range))); });
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (end.empty()) return std::string(1, '\0');  // nothing sorts after such a prefix
  ++end.back();
  return end;
}

}  // namespace minikube
