// View: what a reconciler decides on. One state of the objects, typed; the time; what became of its last plan.
//
// Nothing in it changes while a reconciler runs, and references into it are valid as long as the View is.
// Thread safety: a View belongs to one run on one strand.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/client.h>
#include <minikube/plan.h>

namespace minikube {

// A way to find objects by what is in them, e.g. pods by their node. Two indexes of one resource have different names.
struct Index {
  std::string_view name;
  std::vector<std::string> (*keys)(const Object& object);
};
// Objects by the UID of the owner that controls them; those without one by OrphansOf(their namespace).
extern const Index kByController;
std::string OrphansOf(std::string_view ns);
// Pods by the node they are bound to; those without one are not in it.
extern const Index kByNode;

// Where a View has its objects from.
class ViewSource {
 public:
  virtual ~ViewSource() = default;
  using Each = std::function<void(const ObjectRef&)>;
  // Null if there is none.
  virtual ObjectRef Find(const ResourceDesc& resource, std::string_view ns, std::string_view name) const = 0;
  // In order of key; ns "" = all.
  virtual void ForEach(const ResourceDesc& resource, std::string_view ns, const Each& each) const = 0;
  virtual void ForEachBy(const ResourceDesc& resource, const Index& index, std::string_view value,
                         const Each& each) const = 0;
};

class View {
 public:
  View(const ViewSource& objects, WallTime now, MonoTime mono_now, const LastRun& last)
      : objects_(objects), now_(now), mono_now_(mono_now), last_(last) {}
  // What there is now, outside of a reconciler: of Informers, on their strand.
  View(const ViewSource& objects, const Clock& clock);
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  // Null if there is none.
  template <typename T>
  const T* Get(std::string_view ns, std::string_view name) const {
    return As<T>(objects_.Find(Client::ResourceOf<T>(), ns, name));
  }
  // Of one namespace, or all (""), in order of key.
  template <typename T>
  std::vector<const T*> List(std::string_view ns = {}) const {
    std::vector<const T*> out;
    objects_.ForEach(Client::ResourceOf<T>(), ns, [&](const ObjectRef& object) { out.push_back(&object->As<T>()); });
    return out;
  }
  template <typename T>
  std::vector<const T*> By(const Index& index, std::string_view value) const {
    std::vector<const T*> out;
    objects_.ForEachBy(Client::ResourceOf<T>(), index, value,
                       [&](const ObjectRef& object) { out.push_back(&object->As<T>()); });
    return out;
  }
  // What the owner with this UID controls.
  template <typename T>
  std::vector<const T*> ControlledBy(std::string_view uid) const {
    return By<T>(kByController, uid);
  }
  // What nobody controls.
  template <typename T>
  std::vector<const T*> Orphans(std::string_view ns) const {
    return By<T>(kByController, OrphansOf(ns));
  }

  // With whole seconds, as API objects bear it.
  Time Now() const;
  WallTime WallNow() const { return now_; }
  MonoTime MonoNow() const { return mono_now_; }

  // The first error of the last plan's writes of this kind, or null.
  template <typename T>
  const LastRun::Failure* Failed(Verb verb) const {
    for (const LastRun::Failure& failure : last_.failures) {
      if (failure.request.verb == verb && failure.request.resource == &Client::ResourceOf<T>() &&
          failure.request.subresource.empty()) {
        return &failure;
      }
    }
    return nullptr;
  }
  // What the API server said when the last plan asked (Plan::Read); null if it did not ask.
  template <typename T>
  const Result<ApiResponse>* Answer(std::string_view ns, std::string_view name) const {
    for (const LastRun::Answer& answer : last_.answers) {
      if (answer.request.resource == &Client::ResourceOf<T>() && answer.request.ns == ns &&
          answer.request.name == name) {
        return &answer.response;
      }
    }
    return nullptr;
  }
  const LastRun& last() const { return last_; }
  const ViewSource& objects() const { return objects_; }

 private:
  template <typename T>
  static const T* As(const ObjectRef& object) {
    return object ? &object->As<T>() : nullptr;
  }

  const ViewSource& objects_;
  const WallTime now_;
  const MonoTime mono_now_;
  const LastRun& last_;
};

}  // namespace minikube
