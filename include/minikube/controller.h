// For<T>: a controller in one definition.
//
//   Plan GiveAccount(const View& view, const Namespace& ns);
//
//   ControllerEntry entry = For<Namespace>("service-account-controller")
//                               .Watches<ServiceAccount>([](const ServiceAccount& a) { return NamespaceOf(a); })
//                               .Reconciles(&GiveAccount);
//
// The function is given one state of the objects and returns what is to be done (plan.h); it runs for a T whenever that
// T, or what it watches, has changed. It makes one step: the next follows from what is then seen. So it needs no
// memory, and can be stopped between any two writes. Thread safety: a definition is a value. What it defines runs on
// the strand of its ControllerContext, and so do all its functions, which must not block.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <minikube/client.h>
#include <minikube/informers.h>
#include <minikube/log.h>
#include <minikube/owned.h>
#include <minikube/plan.h>
#include <minikube/view.h>

namespace minikube {

// What a controller is given. Everything in it outlives the controller.
struct ControllerContext {
  Client& client;        // acts as the controller; for writes, and reads that must not be old
  Informers& informers;  // everything that is to be seen, shared with other controllers; started after all are made
  Strand& strand;
  Env& env;
  Logger log;
};

class Controller {
 public:
  virtual ~Controller() = default;
  virtual bool Idle() const = 0;  // nothing queued, nothing in work; on its strand
};

// A controller's constructor, and the name it goes by (`deployment-controller`); its API identity is
// system:serviceaccount:kube-system:<identity>.
struct ControllerEntry {
  std::string name;
  std::function<std::unique_ptr<Controller>(ControllerContext)> make;
  std::string identity = {};  // "" = the name
};

// The definition without its types.
struct ControllerDefinition {
  struct Source {
    const ResourceDesc* resource = nullptr;
    // A change; `before` is null for a new object, `after` for one that has gone. Null: it is looked at only.
    std::function<void(const View&, const ObjectRef& before, const ObjectRef& after, const Wake&)> changed;
  };
  std::string name;
  const ResourceDesc* resource = nullptr;
  std::vector<Source> sources;
  std::vector<std::pair<const ResourceDesc*, const Index*>> indexes;
  std::function<bool(const View&, const Object&)> when;  // may be empty
  std::function<Plan(const View&, const Object&)> reconcile;
  std::function<Plan(const View&, const ObjectKey&)> gone;  // may be empty
  int max_in_flight = 16;                                   // keys worked on at once
};
std::unique_ptr<Controller> NewController(ControllerDefinition definition, const ControllerContext& context);

// The key of an object, and that of its namespace.
template <typename T>
ObjectKey KeyOf(const T& object) {
  return {object.metadata.namespace_, object.metadata.name};
}
template <typename T>
ObjectKey NamespaceOf(const T& object) {
  return {Str(), object.metadata.namespace_};
}

template <typename T>
class For {
 public:
  explicit For(std::string name) {
    definition_.name = std::move(name);
    definition_.resource = &Client::ResourceOf<T>();
  }

  // A change of a W wakes somebody. `wakes` is one of
  //   ObjectKey(const W&)                                            whom, called for what was and for what is
  //   void(const View&, const W&, const Wake&)                       likewise, any number
  //   void(const View&, const W* before, const W* after, const Wake&) the change itself
  template <typename W, typename F>
  For&& Watches(F wakes) && {
    definition_.sources.push_back({&Client::ResourceOf<W>(), Changed<W>(std::move(wakes))});
    return std::move(*this);
  }
  // W is looked at, but wakes nobody.
  template <typename W>
  For&& Reads() && {
    definition_.sources.push_back({&Client::ResourceOf<W>(), nullptr});
    return std::move(*this);
  }
  // A change of a C wakes the T that controls it; one that nobody controls wakes those Ts that select it. See Owned.
  template <typename C>
  For&& Owns() && {
    definition_.indexes.push_back({&Client::ResourceOf<C>(), &kByController});
    return std::move(*this).template Watches<C>(&Owned<T, C>::WakeOwners);
  }
  template <typename W>
  For&& Indexes(const Index& index) && {
    definition_.indexes.push_back({&Client::ResourceOf<W>(), &index});
    return std::move(*this);
  }
  // A change of a T matters only if this says so of what it is now (or was last). What watches wake runs in any case.
  For&& When(std::function<bool(const View&, const T&)> matters) && {
    definition_.when = [matters = std::move(matters)](const View& view, const Object& object) {
      return matters(view, object.As<T>());
    };
    return std::move(*this);
  }
  // What is to be done when a T is not there (any more).
  For&& WhenGone(std::function<Plan(const View&, const ObjectKey&)> gone) && {
    definition_.gone = std::move(gone);
    return std::move(*this);
  }
  // How many Ts are worked on at once (16).
  For&& AtOnce(int count) && {
    definition_.max_in_flight = count;
    return std::move(*this);
  }
  // Writes as this service account of kube-system instead of one with the controller's name.
  For&& As(std::string identity) && {
    identity_ = std::move(identity);
    return std::move(*this);
  }

  ControllerEntry Reconciles(std::function<Plan(const View&, const T&)> reconcile) && {
    definition_.reconcile = [reconcile = std::move(reconcile)](const View& view, const Object& object) {
      return reconcile(view, object.As<T>());
    };
    std::string name = definition_.name;
    return {std::move(name),
            [definition = std::move(definition_)](const ControllerContext& context) {
              return NewController(definition, context);
            },
            std::move(identity_)};
  }

 private:
  template <typename W, typename F>
  static auto Changed(F wakes) {
    return [wakes = std::move(wakes)](const View& view, const ObjectRef& before, const ObjectRef& after,
                                      const Wake& wake) {
      const W* was = before ? &before->As<W>() : nullptr;
      const W* is = after ? &after->As<W>() : nullptr;
      if constexpr (std::is_invocable_v<F, const View&, const W*, const W*, const Wake&>) {
        wakes(view, was, is, wake);
      } else {
        for (const W* object : {was, is}) {
          if (object == nullptr) continue;
          if constexpr (std::is_invocable_v<F, const View&, const W&, const Wake&>) {
            wakes(view, *object, wake);
          } else {
            wake(wakes(*object));
          }
        }
      }
    };
  }

  ControllerDefinition definition_;
  std::string identity_;
};

}  // namespace minikube
