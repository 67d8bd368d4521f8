// An engine on a store in memory, as seen through its in-process client.
#pragma once

#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <catch2/catch.hpp>

#include "api/stages/api_core.h"

namespace minikube::api::testing {

// Collects what a watch delivers, and waits for it with a deadline.
class WatchLog {
 public:
  WatchLog(Client& client, Strand& strand, ApiRequest request) : strand_(strand) {
    request.verb = Verb::kWatch;
    handle_ = client.Watch(std::move(request), strand,
                           {.on_events =
                                [this](std::vector<WatchEvent> events) {
                                  std::lock_guard lock(mu_);
                                  for (WatchEvent& event : events) events_.push_back(std::move(event));
                                  changed_.notify_all();
                                },
                            .on_end =
                                [this](Status status) {
                                  std::lock_guard lock(mu_);
                                  end_ = std::move(status);
                                  changed_.notify_all();
                                }});
  }
  // A handle that goes on its strand is called no more; a strand that has stopped breaks the promise.
  ~WatchLog() {
    auto gone = std::make_shared<std::promise<void>>();
    std::future<void> wait = gone->get_future();
    strand_.Post([this, gone = std::move(gone)] {
      handle_.reset();
      gone->set_value();
    });
    wait.wait_for(std::chrono::seconds(10));
  }
  // The events, once there are at least `count`; fewer if they do not come.
  std::vector<WatchEvent> Wait(std::size_t count) {
    std::unique_lock lock(mu_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return events_.size() >= count || !end_.ok(); });
    return events_;
  }
  Status WaitEnd() {
    std::unique_lock lock(mu_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return !end_.ok(); });
    return end_;
  }

 private:
  Strand& strand_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::vector<WatchEvent> events_;
  Status end_;
  std::unique_ptr<WatchHandle> handle_;
};

// Events as "ADDED web", in order.
inline std::vector<std::string> Spelled(const std::vector<WatchEvent>& events) {
  std::vector<std::string> out;
  for (const WatchEvent& event : events) {
    const char* const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"};
    out.push_back(std::string(names[static_cast<int>(event.type)]) + " " + event.object->meta().name.str());
  }
  return out;
}

struct Fixture {
  Fixture() {
    env = NewRealEnv(2);
    store = NewMemoryStore(*env);
    Restart();
    strand = env->NewStrand("test");
  }
  ~Fixture() {
    // Callbacks of the test end before what they refer to.
    if (strand) strand->Stop();
    client.reset();
    engine.reset();
    store->Stop();
  }
  void Restart(std::size_t max_watch_queue = 8192) {
    client.reset();
    engine.reset();
    ApiCore::Options options;
    options.max_watch_queue = max_watch_queue;
    RestartWith(std::move(options));
  }
  void RestartWith(ApiCore::Options options) {
    client.reset();
    engine.reset();
    options.service_cluster_ip_range = "10.96.0.0/12";
    engine = ApiCore::Start(std::move(options), *store, *env, Logger()).value();
    client = engine->NewClient({"admin", "", {"system:masters"}});
  }
  std::unique_ptr<Client> As(std::string name, std::vector<std::string> groups = {}) {
    return engine->NewClient({std::move(name), "", std::move(groups)});
  }

  std::unique_ptr<Env> env;
  std::unique_ptr<Store> store;
  std::unique_ptr<ApiCore> engine;
  std::unique_ptr<Client> client;
  std::unique_ptr<Strand> strand;
};

inline core::v1::Pod MakePod(std::string_view name, std::string_view ns = "default") {
  core::v1::Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = ns;
  core::v1::Container container;
  container.name = "main";
  container.image = "busybox:1.36";
  pod.spec.containers.push_back(container);
  return pod;
}

inline apps::v1::Deployment MakeDeployment(std::string_view name, std::int32_t replicas = 1) {
  apps::v1::Deployment deployment;
  deployment.metadata.name = name;
  deployment.metadata.namespace_ = "default";
  deployment.spec.replicas = replicas;
  deployment.spec.selector.Mutable().matchLabels["app"] = name;
  deployment.spec.template_.metadata.labels["app"] = name;
  deployment.spec.template_.spec = MakePod("x").spec;
  return deployment;
}

template <typename T>
ApiRequest Request(Verb verb, std::string_view ns, std::string_view name) {
  return Client::NamedRequest<T>(verb, ns, name);
}

}  // namespace minikube::api::testing
