#include "api/stages/api_core.h"

#include <algorithm>
#include <atomic>
#include <type_traits>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>

#include "api/admission/chain.h"
#include "api/auth/token_authenticator.h"
#include "api/auth/token_claims.h"
#include "api/bootstrap/bootstrap.h"
#include "api/bootstrap/housekeeping.h"
#include "api/registry/audit_trail.h"
#include "api/registry/core.h"
#include "api/registry/operation.h"
#include "api/registry/verbs.h"
#include "api/registry/watch.h"
#include "api/stages/local_client.h"
#include "api/stages/stages.h"
#include "api/subresources/proxy.h"
#include "api/wire/errors.h"
#include "api/world/world_view.h"

namespace minikube::api {

namespace {

constexpr std::string_view kAuthenticated = "system:authenticated";

// The groups that come with being somebody, as authentication adds them for callers over HTTPS.
UserInfo WithImpliedGroups(UserInfo user) {
  const auto add = [&](std::string group) {
    if (std::find(user.groups.begin(), user.groups.end(), group) == user.groups.end()) {
      user.groups.push_back(std::move(group));
    }
  };
  if (user.name.starts_with(kAccountPrefix)) {
    const std::string_view rest = std::string_view(user.name).substr(kAccountPrefix.size());
    for (std::string& group : AccountGroups(rest.substr(0, rest.find(':')))) add(std::move(group));
  }
  add(std::string(kAuthenticated));
  return user;
}

// The container whose log is meant: the only one, or the annotated default.
Result<std::string> ContainerOf(const core::v1::Pod& pod, const std::string& asked) {
  std::string names;
  std::string inits;
  bool found = false;
  const auto look = [&](const auto& containers, std::string& list) {
    for (const auto& container : containers) {
      list += (list.empty() ? "" : " ") + container.name.str();
      found |= container.name == asked;
    }
  };
  look(pod.spec.containers, names);
  look(pod.spec.initContainers, inits);
  std::string ephemeral;
  look(pod.spec.ephemeralContainers, ephemeral);
  const std::string pod_name = pod.metadata.name.str();
  if (asked.empty()) {
    if (pod.spec.containers.size() == 1) return pod.spec.containers.front().name.str();
    if (const Str* chosen = pod.metadata.annotations.Find("kubectl.kubernetes.io/default-container"))
      return chosen->str();
    std::string message = "a container name must be specified for pod " + pod_name + ", choose one of: [" + names + "]";
    if (!inits.empty()) message += " or one of the init containers: [" + inits + "]";
    return Status(Code::kBadRequest, std::move(message));
  }
  if (!found) return Status(Code::kBadRequest, "container " + asked + " is not valid for pod " + pod_name);
  return asked;
}

class ApiCoreImpl final : public ApiCore {
 public:
  explicit ApiCoreImpl(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~ApiCoreImpl() override { Stop(); }

  Task Handle(RequestContext context, Function<void(Result<ApiResponse>)> done) override {
    const auto operation = std::make_shared<Operation>(core_, std::move(context), std::move(done));
    operation->Start();
    if (operation.use_count() == 1) return nullptr;
    return [weak = std::weak_ptr(operation)] {
      const std::shared_ptr<Operation> running = weak.lock();
      if (running == nullptr) return;
      running->core.strand->Post([running] { running->Withdraw(); });
    };
  }

  Result<std::unique_ptr<WatchStream>> Watch(RequestContext context, Task on_ready) override {
    return Audited(context, [&]() -> Result<std::unique_ptr<WatchStream>> {
      MINIKUBE_RETURN_IF_ERROR(AuthoriseRequest(*core_, context, &context.allowed_because));
      return StartWatch(core_, context, std::move(on_ready));
    });
  }

  Result<PodLogTarget> PodLog(const RequestContext& context, LogRequest options) override {
    return Audited(context, [&]() -> Result<PodLogTarget> {
      MINIKUBE_RETURN_IF_ERROR(AuthoriseRequest(*core_, context));
      return OnNodeOf<PodLogTarget>(context.request, std::move(options));
    });
  }

  Result<PodExecTarget> PodExec(const RequestContext& context, ExecRequest options) override {
    return Audited(context, [&]() -> Result<PodExecTarget> {
      MINIKUBE_RETURN_IF_ERROR(AuthoriseStreams(context));
      Result<PodExecTarget> target = OnNodeOf<PodExecTarget>(context.request, std::move(options));
      if (target && target->node == nullptr) return NoHost(context);
      return target;
    });
  }

  Result<PodPortTarget> PodPorts(const RequestContext& context) override {
    return Audited(context, [&]() -> Result<PodPortTarget> {
      MINIKUBE_RETURN_IF_ERROR(AuthoriseStreams(context));
      Result<PodPortTarget> target = OnNodeOf<PodPortTarget>(context.request, PodPortRequest());
      if (target && target->node == nullptr) return NoHost(context);
      return target;
    });
  }

  Result<ForwardTarget> Proxy(const RequestContext& context) override {
    return Audited(context, [&]() -> Result<ForwardTarget> {
      MINIKUBE_RETURN_IF_ERROR(AuthoriseRequest(*core_, context));
      const ApiRequest& request = context.request;
      const WorldView world(core_->cache.snapshot());
      if (request.resource->plural == "pods") return LocatePod(world, request.ns, request.name);
      if (request.resource->plural == "services") {
        return LocateService(world, request.ns, request.name, core_->env.random());
      }
      return Status(Code::kNotImplemented,
                    fmt::format("{}/proxy is not supported by this server", request.resource->plural));
    });
  }

  Status SetServerAddress(std::optional<ServerAddress> address) override {
    {
      std::lock_guard lock(core_->address_mu);
      core_->address = std::move(address);
    }
    return PublishServerAddress(*core_);
  }

  Result<UserInfo> AuthenticateToken(std::string_view token) override {
    const std::string audience(kTokenIssuer);
    Result<TokenUser> found = AuthenticateAccountToken(core_->verified_tokens, *core_->cache.snapshot(),
                                                       core_->env.clock().Now(), token, {&audience, 1});
    if (!found) return found.status();
    return std::move(found->user);
  }

  std::string TokenKeys() const override { return fmt::format(R"({{"keys":[{}]}})", core_->signing_key().jwk()); }

  Status AuthorizePath(const UserInfo& user, std::string_view verb, std::string_view path) override {
    const Access access{verb, {}, {}, {}, {}, {}, path};
    return core_->authorization.Check(*core_->cache.snapshot(), user, access);
  }

  std::unique_ptr<Client> NewClient(UserInfo user) override {
    return NewLocalClient(core_, WithImpliedGroups(std::move(user)));
  }

  Revision revision() const override { return core_->cache.snapshot()->revision; }
  std::shared_ptr<const Catalogue> catalogue() const override { return core_->cache.snapshot()->catalogue; }

  Status Ready() const override {
    if (core_->gate.closed()) return {Code::kUnavailable, "the API server is stopping"};
    // A store without space still reads and deletes: who makes space must find a server that is ready.
    const std::string failure = core_->store.status().failure;
    return failure.empty() ? Status() : Status(Code::kUnavailable, "the store is read-only: " + failure);
  }

  void WriteMetrics(MetricsText& out) const override {
    const WatchCounters& watching = core_->hub.counters();
    out.Gauge("apiserver_registered_watchers", "Watches, of clients in other processes and in this one.",
              static_cast<std::int64_t>(core_->hub.watchers()));
    out.Counter("apiserver_terminated_watchers_total", "Watches that were ended because they were too slow.",
                watching.terminated.load(std::memory_order_relaxed));
    out.Counter("apiserver_watch_cache_events_dispatched_total", "Changes that were shown to watches.",
                watching.changes.load(std::memory_order_relaxed));
  }

  void Stop() override {
    if (stopped_.exchange(true)) return;
    core_->gate.Close();
    core_->hub.Stop(Status(Code::kUnavailable, "the API server is stopping"));
    core_->strand->Stop();  // drops second attempts, which answers them
    // What waits for the committer is committed before this; an Env of one thread has nobody else to do it.
    const Result<CommitResult> flushed = core_->store.Commit(Transaction{});
    if (!flushed) core_->log.Debug("stopping after the store", {{"store", flushed.status().message()}});
    core_->gate.WaitEmpty();
    core_->cache.Stop();
  }

 private:
  // What a stream's request comes to, told to the audit.
  template <typename Find>
  std::invoke_result_t<const Find&> Audited(const RequestContext& context, const Find& find) {
    auto found = find();
    AuditStream(*core_, context, found.status());
    return found;
  }

  // Streams may be asked for by a GET, which is to need no less than a POST.
  Status AuthoriseStreams(const RequestContext& context) {
    if (Status allowed = AuthoriseRequest(*core_, context); !allowed.ok()) return allowed;
    if (context.request.verb == Verb::kCreate) return {};
    RequestContext create;
    create.user = context.user;
    create.request = context.request;
    create.request.verb = Verb::kCreate;
    return AuthoriseRequest(*core_, create);
  }

  static Status NoHost(const RequestContext& context) {
    return {Code::kBadRequest, "pod " + context.request.name + " does not have a host assigned"};
  }

  // What is asked of the node (none: it has no node yet) that has the pod of `request`; about one of its containers,
  // unless `options` has none.
  template <typename Target, typename Options>
  Result<Target> OnNodeOf(const ApiRequest& request, Options options) {
    const StoredKind& pods = core_->built_in->Get("", "pods");
    const Snapshot world = core_->cache.snapshot();
    const Entry* entry = world->Find(pods.index, request.ns, request.name);
    if (entry == nullptr) return NotFoundError(*pods.resource, request.name);
    const auto& pod = entry->object->As<core::v1::Pod>();
    if constexpr (requires { options.container; }) {
      Result<std::string> container = ContainerOf(pod, options.container);
      if (!container) return container.status();
      options.container = *std::move(container);
    }
    Target target;
    if (pod.spec.nodeName.empty()) return target;
    if (core_->options.nodes) target.node = core_->options.nodes(pod.spec.nodeName.view());
    if (target.node == nullptr) {
      return Status(Code::kUnavailable, "node " + pod.spec.nodeName.str() + " cannot be reached");
    }
    target.request = std::move(options);
    target.request.ns = request.ns;
    target.request.pod = request.name;
    target.request.pod_uid = pod.metadata.uid.str();
    return target;
  }

  const std::shared_ptr<Core> core_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<ApiCore>> ApiCore::Start(Options options, Store& store, Env& env, Logger log) {
  if (!options.signing_key) {
    Result<SigningKey> made = SigningKey::Generate();
    if (!made) return made.status();
    options.signing_key = *std::move(made);
  }
  Result<std::shared_ptr<const AdmissionChain>> admission = AdmissionChain::Make(options);
  if (!admission) return admission.status();
  auto core = std::make_shared<Core>(std::move(options), Stages(), store, env, std::move(log));
  core->admission = *std::move(admission);
  MINIKUBE_RETURN_IF_ERROR(core->cache.Load());
  MINIKUBE_RETURN_IF_ERROR(Bootstrap(*core));
  StartHousekeeping(core);
  return std::unique_ptr<ApiCore>(std::make_unique<ApiCoreImpl>(std::move(core)));
}

}  // namespace minikube::api
