#include "network/policy/network_policy.h"

#include <algorithm>
#include <utility>

#include "network/policy/policy_rules.h"

namespace minikube::network {
namespace {

using core::v1::Namespace;
using core::v1::Pod;
using networking::v1::NetworkPolicy;

// The table is made anew from all pods. Where that takes long it is done less often, so that it never takes more than
// a tenth of the time.
constexpr int kRestPerWork = 9;
constexpr Duration kLongestRest = std::chrono::seconds(1);

// Whether policies see a difference: most changes of a pod are of its containers.
bool LooksTheSame(const Pod& before, const Pod& after) {
  return before.metadata.labels.same(after.metadata.labels) && before.spec.containers.same(after.spec.containers) &&
         before.spec.nodeName == after.spec.nodeName && PolicyAddressOf(before) == PolicyAddressOf(after);
}

}  // namespace

NodePolicies::NodePolicies(NodePoliciesOptions options, Client& client, Env& env, Strand& strand, Logger log)
    : options_(std::move(options)),
      env_(env),
      strand_(strand),
      table_(options_.table),
      loader_(table_, env, strand, std::move(log)),
      policies_(client, Client::ResourceOf<NetworkPolicy>(), strand, env),
      pods_(client, Client::ResourceOf<Pod>(), strand, env),
      namespaces_(client, Client::ResourceOf<Namespace>(), strand, env) {}

NodePolicies::~NodePolicies() = default;

void NodePolicies::Start() {
  policies_.AddHandler([this](const ObjectRef&, const ObjectRef&) { Wake(); });
  namespaces_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
    if (before && after && before->meta().labels.same(after->meta().labels)) return;
    if (policies_.size() != 0) Wake();
  });
  pods_.AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
    if (before && after && LooksTheSame(before->As<Pod>(), after->As<Pod>())) return;
    if (policies_.size() != 0) Wake();
  });
  for (Informer* informer : {&policies_, &pods_, &namespaces_}) {
    informer->OnSynced([this] { Wake(); });
    informer->Start();
  }
}

void NodePolicies::Wake() {
  if (std::exchange(waking_, true)) return;
  strand_.After(rest_, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    waking_ = false;
    Sync();
  });
}

void NodePolicies::Sync() {
  if (!policies_.HasSynced() || !pods_.HasSynced() || !namespaces_.HasSynced()) return;
  const MonoTime begin = env_.clock().MonoNow();
  PolicyInput input;
  input.node_name = options_.node_name;
  policies_.ForEach([&](const ObjectRef& policy) { input.policies.push_back(&policy->As<NetworkPolicy>()); });
  if (!input.policies.empty()) {
    namespaces_.ForEach([&](const ObjectRef& ns) { input.namespaces[ns->meta().name.view()] = &ns->As<Namespace>(); });
    pods_.ForEach([&](const ObjectRef& pod) { input.pods[pod->meta().namespace_.view()].push_back(&pod->As<Pod>()); });
  }
  table_.Bring(PolicyTable(input));
  rest_ = std::min<Duration>((env_.clock().MonoNow() - begin) * kRestPerWork, kLongestRest);
  started_ = true;
  loader_.Poke();
}

}  // namespace minikube::network
