// A cluster in virtual time, with simulated nodes, for the whole lives of workloads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <minikube/minikube.h>
#include <minikube/simulated_env.h>

namespace minikube {

// What controllers were refused: nothing, or their roles are wrong.
class Refusals final : public LogSink {
 public:
  LogLevel level() const override { return LogLevel::kWarning; }
  void Write(LogLevel, std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields) override {
    for (const LogField& field : fields) {
      if (field.value.find("Forbidden") == std::string::npos) continue;
      lines.push_back(std::string(component) + ": " + std::string(message) + ": " + std::string(field.value));
    }
  }
  std::vector<std::string> lines;
};

struct Workloads {
  explicit Workloads(SimulatedOptions behavior = {}, std::vector<std::string> names = {"a", "b", "c"}) {
    ClusterOptions options;
    options.env = &env;
    options.api_server.listen = "";
    options.log = &refusals;
    for (std::string& name : names) {
      SimulatedNode node;
      node.node.node_name = std::move(name);
      node.node.capacity = {{"cpu", "8"}};
      node.behavior = behavior;
      options.simulated_nodes.push_back(std::move(node));
    }
    auto started = Cluster::Start(std::move(options));
    REQUIRE(started.status().ToString() == "OK");
    cluster = *std::move(started);
  }
  ~Workloads() {
    cluster.reset();
    CHECK(refusals.lines == std::vector<std::string>());
  }
  Client& client() { return cluster->client(); }
  template <typename T>
  T Get(std::string_view name) {
    return client().Get<T>("default", name).value();
  }
  template <typename T>
  std::vector<T> List(std::string_view selector = {}) {
    return client().List<T>("default", selector).value();
  }
  template <typename T>
  bool Until(std::string_view name, const std::function<bool(const T&)>& holds,
             Duration limit = std::chrono::hours(1)) {
    return WaitFor<T>(client(), cluster->env(), "default", name, holds, limit).ok();
  }
  bool Until(const std::function<bool()>& holds, Duration limit = std::chrono::hours(1)) {
    const MonoTime end = env.clock().MonoNow() + limit;
    while (!holds()) {
      if (env.clock().MonoNow() > end) return false;
      env.RunFor(std::chrono::milliseconds(100));
    }
    return true;
  }
  template <typename T>
  void Change(std::string_view name, const std::function<void(T&)>& change) {
    REQUIRE(Until([&] {
      T object = Get<T>(name);
      change(object);
      return client().Update(object).ok();
    }));
  }
  static core::v1::PodTemplateSpec Template(std::string_view app, std::string_view image = "image:1") {
    core::v1::PodTemplateSpec out;
    out.metadata.labels["app"] = app;
    out.spec.containers.push_back({.name = "main", .image = image});
    return out;
  }

  SimulatedEnv env;
  Refusals refusals;
  std::unique_ptr<Cluster> cluster;
};

}  // namespace minikube
