// LocalVolumes: the directories behind this node's local-path volumes (src/controllers/storage/local_path.cc makes
// their objects).
//
//   <root>/local-path/<volume>           the data of the volume of that name
//   <root>/local-path/.gone-<volume>     what is being removed
//
// A volume's life on its node, each step safe to be cut short and done again:
//
//   its object is there       -> make the directory, sync it, then say so (annotation minikube.dev/local-path-made);
//                                no pod is given a directory before that, nor a new one in the place of one that is
//                                lost
//   its object is to go,      -> unless something on this node still has it: rename the directory, remove it, then take
//   and its claim has gone       our finalizer off the object; policy Retain: only take the finalizer off
//
// Who uses a volume here is told by the pods' directories (pod_files.h), which outlive agent and API objects and go
// after the pods' containers. A directory's path is made of our root and the object's name, a DNS name; what else the
// object says is compared and never followed. Thread safety: the agent's strand; what blocks runs on its blocking one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/agent_context.h"

namespace minikube::agent {

// Whether it is a volume of the built-in provisioner's, whoever's node it is on.
bool IsLocalPath(const core::PersistentVolume& volume);
// The directory of such a volume below `root`.
std::string LocalPathOf(std::string_view root, std::string_view name);
// What is to be done for a volume.
enum class LocalStep : std::uint8_t { kNothing, kMake, kRemove, kLetGo };
LocalStep NextLocalStep(const core::PersistentVolume& volume, std::string_view node_name);

class LocalVolumes : public std::enable_shared_from_this<LocalVolumes> {
 public:
  explicit LocalVolumes(AgentContext& context) : context_(context) {}
  ~LocalVolumes();

  // Once everything that may use a volume has its directory or has gone.
  void Start();

 private:
  struct Work {
    bool busy = false;
    TimerId retry_timer = 0;
    Duration retry{};
    std::string shown;  // the error that was last told
  };
  void Look(const Str& name);
  void Make(const ObjectRef& volume);
  void Remove(const ObjectRef& volume);
  void Write(const ObjectRef& volume, std::string patch);
  void Done(const Str& name);
  void Failed(const ObjectRef& volume, std::string_view reason, const std::string& message);
  template <typename F>
  auto Bind(F f) {
    return [weak = weak_from_this(), f = std::move(f)](auto&&... answer) mutable {
      if (const auto self = weak.lock()) f(*self, std::forward<decltype(answer)>(answer)...);
    };
  }

  AgentContext& context_;
  std::unique_ptr<Informer> volumes_;
  std::map<Str, Work> work_;  // by name of the volume
};

}  // namespace minikube::agent
