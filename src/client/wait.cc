#include <minikube/wait.h>

#include <optional>

#include <fmt/format.h>

#include <minikube/informer.h>
#include <minikube/latch.h>
#include <minikube/selector.h>

namespace minikube {

Result<ObjectRef> WaitFor(Client& client, Env& env, const ResourceDesc& resource, std::string_view ns,
                          std::string_view name, std::function<bool(const ObjectRef&)> wanted, Duration timeout) {
  Latch decided;
  std::optional<ObjectRef> outcome;  // on the strand, until it is stopped

  const std::unique_ptr<Strand> strand = env.NewStrand("wait");
  Informer informer(client, resource, *strand, env,
                    {.ns = std::string(ns), .field_selector = "metadata.name=" + FieldSelector::Escape(name)});
  const auto look = [&] {
    if (outcome) return;
    const ObjectRef now = informer.Get(ns, name);
    if (!wanted(now)) return;
    outcome = now;
    decided.Open();
  };
  informer.AddHandler([&](const ObjectRef&, const ObjectRef&) {
    if (informer.HasSynced()) look();
  });
  informer.OnSynced(look);
  strand->Post([&] { informer.Start(); });
  env.Await(decided, timeout);
  strand->Stop();
  if (!outcome) return Status(Code::kTimeout, fmt::format("timed out waiting for {} \"{}\"", resource.plural, name));
  return *std::move(outcome);
}

}  // namespace minikube
