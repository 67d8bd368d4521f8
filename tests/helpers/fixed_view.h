// FixedView: what a reconciler is shown, written down in a test.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include <minikube/informer.h>
#include <minikube/view.h>

namespace minikube::test {

class FixedView final : public ViewSource {
 public:
  FixedView() = default;
  explicit FixedView(WallTime time) : now(time) {}

  template <typename T>
  FixedView& Add(const T& object) {
    objects_[&Client::ResourceOf<T>()][{object.metadata.namespace_, object.metadata.name}] = Share(object);
    return *this;
  }
  template <typename T>
  FixedView& Remove(const T& object) {
    objects_[&Client::ResourceOf<T>()].erase({object.metadata.namespace_, object.metadata.name});
    return *this;
  }

  WallTime now = WallTime(std::chrono::seconds(1'000'000));
  MonoTime mono_now = MonoTime(std::chrono::seconds(1'000));
  LastRun last;

  View view() const { return {*this, now, mono_now, last}; }

  ObjectRef Find(const ResourceDesc& resource, std::string_view ns, std::string_view name) const override {
    const auto kind = objects_.find(&resource);
    if (kind == objects_.end()) return nullptr;
    const auto it = kind->second.find({ns, name});
    return it != kind->second.end() ? it->second : nullptr;
  }
  void ForEach(const ResourceDesc& resource, std::string_view ns, const Each& each) const override {
    const auto kind = objects_.find(&resource);
    if (kind == objects_.end()) return;
    for (const auto& [key, object] : kind->second) {
      if (ns.empty() || key.ns == ns) each(object);
    }
  }
  void ForEachBy(const ResourceDesc& resource, const Index& index, std::string_view value,
                 const Each& each) const override {
    ForEach(resource, {}, [&](const ObjectRef& object) {
      const std::vector<std::string> keys = index.keys(*object);
      if (std::find(keys.begin(), keys.end(), value) != keys.end()) each(object);
    });
  }

 private:
  std::map<const ResourceDesc*, std::map<ObjectKey, ObjectRef>> objects_;
};

// "create pods default/a", "update nodes/status n", "delete pods default/b": what a plan would do, one line a write.
inline std::vector<std::string> Lines(const Plan& plan) {
  static constexpr std::string_view kVerbs[] = {"get",    "list",  "watch",  "create",
                                                "update", "patch", "delete", "deletecollection"};
  std::vector<std::string> out;
  for (const Step& write : plan.steps()) {
    const ApiRequest& request = write.request;
    std::string line(kVerbs[static_cast<std::size_t>(request.verb)]);
    line += " " + std::string(request.resource->plural);
    if (!request.subresource.empty()) line += "/" + request.subresource;
    line += " " + (request.ns.empty() ? "" : request.ns + "/");
    line += !request.name.empty() || !request.object ? request.name : request.object->meta().generateName.str() + "*";
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace minikube::test
