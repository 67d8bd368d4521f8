#include "agent/node_registrar.h"
#include "kube/numbers.h"
#include "kube/times.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/coordination/v1.h>

namespace minikube::agent {
namespace {

using coordination::v1::Lease;

constexpr std::string_view kLeaseNamespace = "kube-node-lease";
constexpr Duration kFirstRetry = std::chrono::milliseconds(200);
constexpr Duration kLastRetry = std::chrono::seconds(7);

}  // namespace

NodeRegistrar::NodeRegistrar(AgentContext& context, MachineFacts facts, std::function<void()> registered)
    : context_(context), facts_(std::move(facts)), registered_(std::move(registered)) {}

NodeRegistrar::~NodeRegistrar() {
  for (const TimerId timer : {tick_timer_, retry_timer_}) {
    if (timer != 0) context_.strand.Cancel(timer);
  }
}

void NodeRegistrar::Start() {
  Informer::Options options;
  options.field_selector = fmt::format("metadata.name={}", context_.options.node_name);
  informer_ = std::make_unique<Informer>(context_.client, Client::ResourceOf<core::Node>(), context_.strand,
                                         context_.env, std::move(options));
  informer_->AddHandler([this](const ObjectRef&, const ObjectRef& after) {
    if (!after) {
      node_ = nullptr;
    } else if (!node_ ||
               kube::RevisionOf(after->meta().resourceVersion) > kube::RevisionOf(node_->meta().resourceVersion)) {
      node_ = after;
    }
    Ensure();
  });
  informer_->OnSynced([this] { Ensure(); });
  informer_->Start();
  ImagesChanged();
  // Nodes that start together do not renew together.
  const auto interval = static_cast<std::uint64_t>(context_.options.lease_renew_interval.count());
  tick_timer_ = context_.strand.After(Duration(context_.env.random().Next() % std::max<std::uint64_t>(interval, 1)),
                                      [this] { Tick(); });
  RenewLease();
}

void NodeRegistrar::ImagesChanged() {
  context_.runtime.ListImages(Bind([](NodeRegistrar& self, Result<std::vector<ImageInfo>> images) {
    if (images) self.images_ = *std::move(images);
    self.Ensure();
  }));
}

void NodeRegistrar::Tick() {
  tick_timer_ = context_.strand.After(context_.options.lease_renew_interval, [this] { Tick(); });
  RenewLease();
  Ensure();
}

void NodeRegistrar::Ensure() {
  if (informer_ == nullptr || !informer_->HasSynced() || writing_ || retry_timer_ != 0) return;
  const WallTime now = context_.Now();
  const Pressure pressure = context_.simulated() ? Pressure{} : ReadPressure(context_.options.root);
  ObjectPtr fresh = node_ ? ObjectPtr::Clone(*node_) : ObjectPtr::New(DescriptorOf<core::Node>());
  core::Node& node = fresh->As<core::Node>();
  FillNode(context_.options, facts_, context_.runtime.version(), images_, pressure, kube::ToTime(now), node);
  ApiRequest request = Client::NamedRequest<core::Node>(Verb::kUpdate, {}, context_.options.node_name);
  if (!node_) {
    node.metadata.name = context_.options.node_name;
    request.verb = Verb::kCreate;
  } else {
    const core::Node& known = node_->As<core::Node>();
    const MonoTime mono = context_.env.clock().MonoNow();
    if (known.metadata.labels == node.metadata.labels && known.metadata.annotations == node.metadata.annotations) {
      const bool due = mono - status_written_ >= context_.options.status_interval;
      if (!due && !StatusChanged(known.status, node.status)) {
        if (registered_) std::exchange(registered_, nullptr)();
        return;
      }
      request.subresource = "status";
      status_written_ = mono;
    }
  }
  request.object = std::move(fresh).Freeze();
  Write(std::move(request));
}

void NodeRegistrar::Write(ApiRequest request) {
  writing_ = true;
  context_.client
      .Do(std::move(request), context_.strand,
          Bind([](NodeRegistrar& self, Result<ApiResponse> response) { self.Wrote(std::move(response)); }))
      .Detach();
}

void NodeRegistrar::Wrote(Result<ApiResponse> response) {
  writing_ = false;
  if (response) {
    retry_ = {};
    // Unless the informer is further: it may know that the Node has been deleted since.
    if (response->object && kube::RevisionOf(response->object->meta().resourceVersion) > informer_->revision()) {
      node_ = std::move(response->object);
    }
    return Ensure();
  }
  if (response.status().code() != Code::kConflict && response.status().code() != Code::kAlreadyExists) {
    context_.log.Warning("cannot write the node", {{"error", response.status().message()}});
  }
  status_written_ = {};
  retry_ = std::clamp(retry_ * 2, kFirstRetry, kLastRetry);
  retry_timer_ = context_.strand.After(retry_, [this] {
    retry_timer_ = 0;
    Ensure();
  });
}

void NodeRegistrar::RenewLease() {
  if (renewing_) return;
  if (lease_) {
    ObjectPtr fresh = ObjectPtr::Clone(*lease_);
    fresh->As<Lease>().spec.renewTime = kube::ToMicroTime(context_.Now());
    return SendLease(Verb::kUpdate, std::move(fresh).Freeze());
  }
  SendLease(Verb::kGet, nullptr);
}

void NodeRegistrar::SendLease(Verb verb, ObjectRef lease) {
  renewing_ = true;
  ApiRequest request = Client::NamedRequest<Lease>(verb, kLeaseNamespace, context_.options.node_name);
  request.object = std::move(lease);
  context_.client
      .Do(std::move(request), context_.strand, Bind([verb](NodeRegistrar& self, Result<ApiResponse> response) {
            self.LeaseAnswered(verb, std::move(response));
          }))
      .Detach();
}

void NodeRegistrar::LeaseAnswered(Verb verb, Result<ApiResponse> response) {
  renewing_ = false;
  if (response) {
    lease_ = std::move(response->object);
    if (verb == Verb::kGet) RenewLease();
    return;
  }
  lease_ = nullptr;  // whatever it was, look before the next write
  const Code code = response.status().code();
  if (verb == Verb::kGet && code == Code::kNotFound) {
    Lease lease;
    lease.metadata.name = context_.options.node_name;
    lease.metadata.namespace_ = kLeaseNamespace;
    if (node_) {
      meta::v1::OwnerReference owner;
      owner.apiVersion = "v1";
      owner.kind = "Node";
      owner.name = node_->meta().name;
      owner.uid = node_->meta().uid;
      lease.metadata.ownerReferences = {owner};
    }
    lease.spec.holderIdentity = Str(context_.options.node_name);
    lease.spec.leaseDurationSeconds = context_.options.lease_duration_seconds;
    lease.spec.renewTime = kube::ToMicroTime(context_.Now());
    return SendLease(Verb::kCreate, Share(std::move(lease)));
  }
  if (verb == Verb::kUpdate && (code == Code::kConflict || code == Code::kNotFound)) return RenewLease();
  // The next tick tries again: a lease outlives several missed renewals.
  context_.log.Warning("cannot renew the node's lease", {{"error", response.status().message()}});
}

}  // namespace minikube::agent
