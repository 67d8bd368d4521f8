#include <minikube/store.h>

#include <utility>

namespace minikube {

Result<std::optional<KeyValue>> Store::Get(std::string_view key, Revision revision) const {
  RangeOptions options;
  options.revision = revision;
  Result<RangeResult> result = Range(key, options);
  if (!result) return result.status();
  if (result->kvs.empty()) return std::optional<KeyValue>();
  return std::optional<KeyValue>(std::move(result->kvs.front()));
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (end.empty()) return std::string(1, '\0');  // nothing sorts after such a prefix
  ++end.back();
  return end;
}

}  // namespace minikube
