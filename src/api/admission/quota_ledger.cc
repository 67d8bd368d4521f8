#include "api/admission/quota_ledger.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <minikube/codec.h>

#include "api/world/companion.h"

namespace minikube::api {

namespace {

using core::v1::ResourceQuota;
using kube::Amounts;

// So many times in a row another writer may change a quota before a round gives up.
constexpr int kMaxTries = 16;

// "pods=1,requests.cpu=100m", of these names.
std::string Told(const Amounts& amounts, const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) {
    const Quantity* quantity = amounts.Find(name);
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", name, quantity != nullptr ? quantity->text.view() : "0");
  }
  return out;
}

bool Counts(const ResourceQuota& quota, const std::vector<Str>& counters) {
  return std::all_of(counters.begin(), counters.end(),
                     [&](const Str& counter) { return quota.status.used.Contains(counter.view()); });
}

// Adds the claim's part to the quota; or says why not.
Result<Amounts> ChargeOne(ResourceQuota& quota, const QuotaClaim& claim) {
  const auto refuse = [](std::string why) { return Status(Code::kForbidden, std::move(why)); };
  const std::vector<Str> counters = kube::CountersOf(claim.subject, quota.status.hard);
  if (counters.empty() || !kube::InScopes(quota.spec, *claim.object)) return Amounts();
  if (const auto* pod = claim.object->TryAs<core::v1::Pod>()) {
    const std::string missing = kube::MissingOfPod(*pod, counters);
    if (!missing.empty()) return refuse(fmt::format("failed quota: {}: {}", quota.metadata.name.view(), missing));
  }
  if (!Counts(quota, counters)) {
    std::vector<std::string_view> names(counters.begin(), counters.end());
    return refuse(
        fmt::format("status unknown for quota: {}, resources: {}", quota.metadata.name.view(), fmt::join(names, ",")));
  }
  // What it had counts if it was in the quota's scopes before.
  const bool counted_before = claim.before && kube::InScopes(quota.spec, *claim.before);
  const Amounts& wanted = counted_before ? claim.growth : claim.usage;
  Amounts charge;
  Amounts used = quota.status.used;
  std::vector<std::string_view> exceeded;
  for (const Str& counter : counters) {
    const Quantity* more = wanted.Find(counter.view());
    if (more == nullptr || kube::IsZero(*more)) continue;
    charge[counter.view()] = *more;
    used[counter.view()] = kube::Sum(*used.Find(counter.view()), *more);
    if (used.Find(counter.view())->Compare(*quota.status.hard.Find(counter.view())) > 0) {
      exceeded.push_back(counter.view());
    }
  }
  if (!exceeded.empty() && claim.enforced) {
    return refuse(fmt::format("exceeded quota: {}, requested: {}, used: {}, limited: {}", quota.metadata.name.view(),
                              Told(charge, exceeded), Told(quota.status.used, exceeded),
                              Told(quota.status.hard, exceeded)));
  }
  quota.status.used = std::move(used);
  return charge;
}

}  // namespace

Result<QuotaCharge> ChargeTo(std::vector<ResourceQuota>& quotas, const QuotaClaim& claim) {
  std::vector<ResourceQuota> next = quotas;
  QuotaCharge out;
  for (ResourceQuota& quota : next) {
    Result<Amounts> charge = ChargeOne(quota, claim);
    if (!charge) return charge.status();
    if (!charge->empty()) out.emplace(quota.metadata.name.str(), *std::move(charge));
  }
  quotas = std::move(next);
  return out;
}

// What waits in a namespace, on its way into its quotas. A round that is dropped (the core stops) drops what waits too.
class QuotaLedger::Round : public std::enable_shared_from_this<Round> {
 public:
  Round(std::shared_ptr<QuotaLedger> ledger, std::shared_ptr<Core> core, std::string ns)
      : ledger_(std::move(ledger)), core_(std::move(core)), ns_(std::move(ns)) {}
  ~Round() {
    if (!idle_) ledger_->Abandon(ns_);
  }

  // Strand.
  void Run() {
    if (tries_ == 0 && !ledger_->Take(ns_, page_)) {
      idle_ = true;
      return;
    }
    const Snapshot world = core_->cache.snapshot();
    const StoredKind& kind = core_->built_in->Get("", "resourcequotas");
    std::vector<const Entry*> entries;
    std::vector<ResourceQuota> quotas;
    for (auto it = world->kinds[kind.index].LowerBound({ns_, {}}); it; ++it) {
      if (!(it->object->meta().namespace_ == ns_)) break;
      entries.push_back(&*it);
      quotas.push_back(it->object->As<ResourceQuota>());
    }
    for (const QuotaCharge& charge : page_.returned) {
      for (ResourceQuota& quota : quotas) TakeBack(quota, charge);
    }
    for (Waiter& waiter : page_.waiting) waiter.result = ChargeTo(quotas, waiter.claim);
    Transaction txn;
    for (std::size_t i = 0; i < quotas.size(); ++i) {
      if (DeepEqual(quotas[i].status, entries[i]->object->As<ResourceQuota>().status)) continue;
      AddWrite(txn, kind, *entries[i], std::move(quotas[i]));
    }
    if (txn.writes.empty()) return Answer();
    core_->store.Commit(std::move(txn), [self = shared_from_this()](Result<CommitResult> result) {
      // Not on the committer.
      self->core_->strand->Post([self, result = std::move(result)] { self->OnCommitted(result); });
    });
  }

 private:
  static void TakeBack(ResourceQuota& quota, const QuotaCharge& charge) {
    const auto mine = charge.find(quota.metadata.name.view());
    if (mine == charge.end()) return;
    for (const auto& [counter, amount] : mine->second) {
      const Quantity* used = quota.status.used.Find(counter.view());
      if (used == nullptr) continue;
      Quantity left = kube::Difference(*used, amount);
      quota.status.used[counter.view()] = kube::IsNegative(left) ? Quantity("0") : left;
    }
  }

  static void AddWrite(Transaction& txn, const StoredKind& kind, const Entry& entry, ResourceQuota quota) {
    quota.metadata.resourceVersion = {};  // the revision is the store's to give
    ObjectPtr object = ObjectPtr::Of(std::move(quota));
    Write write;
    write.key = kind.Key(object->meta().namespace_.view(), object->meta().name.view());
    Encode(kind.media(), *object, write.value.emplace());
    write.companion = std::make_shared<ObjectCompanion>(kind, std::move(object));
    txn.compares.push_back({write.key, entry.revision});
    txn.writes.push_back(std::move(write));
  }

  void OnCommitted(const Result<CommitResult>& result) {
    if (result && result->succeeded) return Answer();
    if (result && ++tries_ < kMaxTries) return Run();
    const Status why =
        result ? Status(Code::kConflict, "the quota was changed by others all the time") : result.status();
    for (Waiter& waiter : page_.waiting) {
      if (waiter.result && !waiter.result->empty()) waiter.result = why;
    }
    Answer();
  }

  void Answer() {
    for (Waiter& waiter : page_.waiting) waiter.answer(std::move(waiter.result));
    page_ = {};
    tries_ = 0;
    core_->strand->Post([self = shared_from_this()] { self->Run(); });
  }

  const std::shared_ptr<QuotaLedger> ledger_;
  const std::shared_ptr<Core> core_;
  const std::string ns_;
  Page page_;
  int tries_ = 0;
  bool idle_ = false;
};

void QuotaLedger::Charge(std::shared_ptr<Core> core, std::string_view ns, QuotaClaim claim, Answer answer) {
  std::string key(ns);
  {
    std::lock_guard lock(mu_);
    pages_[key].waiting.push_back({std::move(claim), std::move(answer)});
  }
  Wake(std::move(core), key);
}

void QuotaLedger::GiveBack(std::shared_ptr<Core> core, std::string_view ns, QuotaCharge charge) {
  std::string key(ns);
  {
    std::lock_guard lock(mu_);
    pages_[key].returned.push_back(std::move(charge));
  }
  Wake(std::move(core), key);
}

void QuotaLedger::Wake(std::shared_ptr<Core> core, const std::string& ns) {
  {
    std::lock_guard lock(mu_);
    if (std::exchange(pages_[ns].busy, true)) return;
  }
  Strand& strand = *core->strand;
  strand.Post([round = std::make_shared<Round>(shared_from_this(), std::move(core), ns)] { round->Run(); });
}

bool QuotaLedger::Take(const std::string& ns, Page& out) {
  std::lock_guard lock(mu_);
  Page& page = pages_[ns];
  if (page.waiting.empty() && page.returned.empty()) {
    pages_.erase(ns);
    return false;
  }
  out.waiting = std::exchange(page.waiting, {});
  out.returned = std::exchange(page.returned, {});
  return true;
}

void QuotaLedger::Abandon(const std::string& ns) {
  Page dropped;
  std::lock_guard lock(mu_);
  const auto it = pages_.find(ns);
  if (it == pages_.end()) return;
  dropped = std::move(it->second);
  pages_.erase(it);
}

}  // namespace minikube::api
