#include "network/proxy/service_proxy.h"

#include <fmt/format.h>

#include "network/proxy/conntrack.h"

namespace minikube::network {
namespace {

using core::v1::Node;
using core::v1::Service;
using discovery::v1::EndpointSlice;

constexpr std::string_view kServiceName = "kubernetes.io/service-name";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";
constexpr const char* kByService = "service";

ObjectKey ServiceOf(const Object& slice) {
  const Str* service = slice.meta().labels.Find(kServiceName);
  return {slice.meta().namespace_, service != nullptr ? *service : Str()};
}

// Elements that belong to one Service and no other, as its own address does.
bool IsExclusive(const std::string& set) { return set == "services" || set.starts_with("backends/"); }

}  // namespace

ServiceProxy::ServiceProxy(ServiceProxyOptions options, Client& client, Env& env, Strand& strand, Logger log)
    : options_(std::move(options)),
      env_(env),
      strand_(strand),
      log_(std::move(log)),
      table_(options_.table),
      loader_(table_, env, strand, log_),
      services_(std::make_unique<Informer>(client, Client::ResourceOf<Service>(), strand, env)),
      slices_(std::make_unique<Informer>(client, Client::ResourceOf<EndpointSlice>(), strand, env)),
      worker_(env.NewBlockingStrand("conntrack")) {
  Informer::Options own;
  own.field_selector = "metadata.name=" + options_.node_name;
  nodes_ = std::make_unique<Informer>(client, Client::ResourceOf<Node>(), strand, env, std::move(own));
  facts_.name = options_.node_name;
}

ServiceProxy::~ServiceProxy() = default;

void ServiceProxy::Start() {
  table_.Bring(EmptyServiceTable(options_.service_range));
  loader_.OnLoaded([this] { ForgetStale(); });
  for (const auto& [from, to] : options_.forwards) {
    Give({Str(), Str(fmt::format("{}:{}", from.address, from.port))}, RulesForForward(from, to));
  }
  services_->AddHandler(
      [this](const ObjectRef& before, const ObjectRef& after) { Changed(ObjectKey::Of(after ? *after : *before)); });
  slices_->AddIndex(kByService, [](const Object& slice) -> std::vector<std::string> {
    const ObjectKey service = ServiceOf(slice);
    if (service.name.empty()) return {};
    return {service.ToString()};
  });
  slices_->AddHandler([this](const ObjectRef& before, const ObjectRef& after) {
    if (before) Changed(ServiceOf(*before));
    if (after) Changed(ServiceOf(*after));
  });
  nodes_->AddHandler([this](const ObjectRef&, const ObjectRef&) {
    NodeFacts facts = Facts();
    if (facts == facts_) return;
    facts_ = std::move(facts);
    for (const auto& [key, part] : parts_) {
      if (!key.ns.empty()) dirty_.insert(key);
    }
    Wake();
  });
  for (Informer* informer : {services_.get(), slices_.get(), nodes_.get()}) {
    informer->OnSynced([this] { Wake(); });
    informer->Start();
  }
}

void ServiceProxy::SetPodLinks(const std::vector<std::string>& links, Task done) {
  const std::string set(kPodLinks);
  TableContent::Set want;
  for (const std::string& link : links) want.elements[fmt::format("\"{}\"", link)] = "";
  std::vector<std::string> gone;
  for (const auto& [link, nothing] : table_.content().sets.at(set).elements) {
    if (!want.elements.contains(link)) gone.push_back(link);
  }
  for (const std::string& link : gone) table_.DropElement(set, link);
  for (const auto& [link, nothing] : want.elements) table_.PutElement(set, link);
  if (!started_) return waiting_.push_back(std::move(done));
  loader_.Poke();
  loader_.AfterLoad(std::move(done));
}

bool ServiceProxy::HasSynced() const { return services_->HasSynced() && slices_->HasSynced() && nodes_->HasSynced(); }

void ServiceProxy::Changed(const ObjectKey& service) {
  if (service.name.empty()) return;
  dirty_.insert(service);
  Wake();
}

// A batch of events makes one transaction.
void ServiceProxy::Wake() {
  if (std::exchange(waking_, true)) return;
  strand_.Post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    waking_ = false;
    Sync();
  });
}

void ServiceProxy::Sync() {
  if (!HasSynced()) return;
  facts_ = Facts();
  // First all that goes: what one gives up another may have got meanwhile.
  std::vector<std::pair<ObjectKey, ServiceRules>> given;
  for (const ObjectKey& key : std::exchange(dirty_, {})) {
    given.emplace_back(key, RulesOf(key));
    TakeBack(key);
  }
  for (auto& [key, rules] : given) {
    if (!rules.datagrams.empty()) datagrams_changed_ = true;
    Give(key, std::move(rules));
  }
  for (auto it = chain_users_.begin(); it != chain_users_.end();) {
    if (it->second == 0) table_.DropChain(it->first);
    it = it->second == 0 ? chain_users_.erase(it) : std::next(it);
  }
  for (auto it = set_users_.begin(); it != set_users_.end();) {
    if (it->second == 0) table_.DropSet(it->first);
    it = it->second == 0 ? set_users_.erase(it) : std::next(it);
  }
  started_ = true;
  loader_.Poke();
  for (Task& task : std::exchange(waiting_, {})) loader_.AfterLoad(std::move(task));
}

NodeFacts ServiceProxy::Facts() const {
  NodeFacts facts;
  facts.name = options_.node_name;
  if (const ObjectRef node = nodes_->Get("", options_.node_name)) {
    if (const Str* zone = node->meta().labels.Find(kZone)) facts.zone = zone->str();
  }
  return facts;
}

ServiceRules ServiceProxy::RulesOf(const ObjectKey& key) const {
  const ObjectRef service = services_->Get(key);
  if (!service) return {};
  const std::vector<ObjectRef> slices = slices_->ByIndex(kByService, key.ToString());
  std::vector<const EndpointSlice*> own;
  own.reserve(slices.size());
  for (const ObjectRef& slice : slices) own.push_back(&slice->As<EndpointSlice>());
  const auto here = options_.here.find(key);
  return RulesFor(service->As<Service>(), own, facts_,
                  here != options_.here.end() ? std::optional(here->second) : std::nullopt);
}

void ServiceProxy::Give(const ObjectKey& owner, ServiceRules rules) {
  if (rules.elements.empty() && rules.chains.empty()) return;
  for (const auto& [name, kind] : rules.sets) {
    ++set_users_[name];
    table_.PutSet(name, kind);
  }
  for (const auto& [name, chain] : rules.chains) {
    ++chain_users_[name];
    table_.PutChain(name, chain);
  }
  for (const auto& [where, value] : rules.elements) {
    if (IsExclusive(where.first)) {
      table_.PutElement(where.first, where.second, value);
      continue;
    }
    auto& claims = claims_[where];
    claims[owner] = value;
    table_.PutElement(where.first, where.second, claims.begin()->second);
  }
  parts_[owner] = std::move(rules);
}

// Chains and sets that nobody uses any more are dropped at the end of Sync.
void ServiceProxy::TakeBack(const ObjectKey& owner) {
  const auto it = parts_.find(owner);
  if (it == parts_.end()) return;
  for (const auto& [name, chain] : it->second.chains) --chain_users_[name];
  for (const auto& [name, kind] : it->second.sets) --set_users_[name];
  for (const auto& [where, value] : it->second.elements) {
    if (IsExclusive(where.first)) {
      table_.DropElement(where.first, where.second);
      continue;
    }
    const auto claims = claims_.find(where);
    claims->second.erase(owner);
    if (claims->second.empty()) {
      table_.DropElement(where.first, where.second);
      claims_.erase(claims);
    } else {
      table_.PutElement(where.first, where.second, claims->second.begin()->second);
    }
  }
  parts_.erase(it);
}

void ServiceProxy::ForgetStale() {
  if (!datagrams_changed_ || forgetting_) return;
  datagrams_changed_ = false;
  forgetting_ = true;
  std::vector<DatagramService> all;
  for (const auto& [key, rules] : parts_) all.insert(all.end(), rules.datagrams.begin(), rules.datagrams.end());
  worker_->Post([this, alive = std::weak_ptr(alive_), all = std::move(all)] {
    const Result<int> forgotten = ForgetStaleDatagrams(all);
    strand_.Post([this, alive, forgotten] {
      if (alive.expired()) return;
      forgetting_ = false;
      if (!forgotten) log_.Warning("stale flows of datagrams stay", {{"error", forgotten.status().message()}});
      if (forgotten.ok() && *forgotten != 0) {
        log_.Debug("stale flows of datagrams are forgotten", {{"flows", std::to_string(*forgotten)}});
      }
      ForgetStale();
    });
  });
}

}  // namespace minikube::network
