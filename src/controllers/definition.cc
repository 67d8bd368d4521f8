#include <algorithm>
#include <utility>
#include <vector>

#include <minikube/controller.h>
#include <minikube/reconciler.h>

namespace minikube {
namespace {

class DefinedController final : public Controller, public Reconciler {
 public:
  DefinedController(ControllerDefinition definition, const ControllerContext& context)
      : definition_(std::move(definition)),
        informers_(context.informers),
        clock_(context.env.clock()),
        subjects_(informers_.Of(*definition_.resource)),
        events_(context.client, context.strand, context.env, definition_.name),
        loop_(context.client, context.strand, context.env, context.log, *this, Declared(),
              {.name = definition_.name, .max_in_flight = definition_.max_in_flight}, &events_) {
    for (const auto& [resource, index] : definition_.indexes) informers_.AddIndex(*resource, *index);
    const Wake wake = [this](const ObjectKey& key) { loop_.Enqueue(key); };
    for (const ControllerDefinition::Source& source : definition_.sources) {
      if (!source.changed) continue;
      informers_.Of(*source.resource)
          .AddHandler([this, wake, &source](const ObjectRef& before, const ObjectRef& after) {
            source.changed(ViewNow(kNothing), before, after, wake);
          });
    }
    subjects_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
      const ObjectRef& object = after ? after : before;
      if (!definition_.when || definition_.when(ViewNow(kNothing), *object)) loop_.Enqueue(ObjectKey::Of(*object));
    });
  }

  bool Idle() const override { return loop_.Idle(); }

  Plan Reconcile(const ObjectKey& key, const LastRun& last) override {
    const ObjectRef subject = subjects_.Get(key);
    const View view = ViewNow(last);
    if (!subject) return definition_.gone ? definition_.gone(view, key) : Plan();
    Plan plan = definition_.reconcile(view, *subject);
    plan.About(subject);
    return plan;
  }

 private:
  static inline const LastRun kNothing;

  View ViewNow(const LastRun& last) const { return {informers_, clock_.Now(), clock_.MonoNow(), last}; }

  // Each informer once.
  std::vector<Informer*> Declared() {
    std::vector<Informer*> out{&subjects_};
    for (const ControllerDefinition::Source& source : definition_.sources) {
      Informer* informer = &informers_.Of(*source.resource);
      if (std::find(out.begin(), out.end(), informer) == out.end()) out.push_back(informer);
    }
    return out;
  }

  const ControllerDefinition definition_;
  Informers& informers_;
  Clock& clock_;
  Informer& subjects_;
  EventRecorder events_;
  ReconcileLoop loop_;
};

}  // namespace

std::unique_ptr<Controller> NewController(ControllerDefinition definition, const ControllerContext& context) {
  return std::make_unique<DefinedController>(std::move(definition), context);
}

}  // namespace minikube
