#include <minikube/wait.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include <minikube/informer.h>
#include <minikube/selector.h>

namespace minikube {

Result<ObjectRef> WaitFor(Client& client, Env& env, const ResourceDesc& resource, std::string_view ns,
                          std::string_view name, std::function<bool(const ObjectRef&)> wanted, Duration timeout) {
  std::mutex mu;
  std::condition_variable decided;
  std::optional<Result<ObjectRef>> outcome;
  const auto decide = [&](Result<ObjectRef> result) {
    // Notified under the lock: the waiter may go as soon as it sees the outcome.
    std::lock_guard lock(mu);
    if (!outcome) outcome = std::move(result);
    decided.notify_one();
  };

  const std::unique_ptr<Strand> strand = env.NewStrand("wait");
  Informer informer(client, resource, *strand, env,
                    {.ns = std::string(ns), .field_selector = "metadata.name=" + FieldSelector::Escape(name)});
  bool done = false;  // on the strand
  const auto look = [&] {
    const ObjectRef now = informer.Get(ns, name);
    if (done || !wanted(now)) return;
    done = true;
    decide(now);
  };
  informer.AddHandler([&](const ObjectRef&, const ObjectRef&) {
    if (informer.HasSynced()) look();
  });
  informer.OnSynced(look);
  strand->After(timeout, [&] {
    done = true;
    decide(Status(Code::kTimeout, fmt::format("timed out waiting for {} \"{}\"", resource.plural, name)));
  });
  strand->Post([&] { informer.Start(); });
  {
    std::unique_lock lock(mu);
    decided.wait(lock, [&] { return outcome.has_value(); });
  }
  strand->Stop();
  return *std::move(outcome);
}

}  // namespace minikube
