// QuotaLedger: charges ResourceQuotas for what is about to be written. What waits in a namespace is judged one after
// the other, in memory, and charged by one write of all its quotas; nobody's own write begins before that is durable.
// So a crash between the two leaves a quota that counts too much, never too little, until the controller counts anew.
//
// Thread safety: any thread; the judging is done on the core's strand. Lifetime: its plugin's.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/function.h>
#include <minikube/status.h>

#include "api/registry/core.h"
#include "kube/quota.h"

namespace minikube::api {

// What one request needs of the quotas of its namespace.
struct QuotaClaim {
  kube::QuotaSubject subject;  // of the catalogue's text
  ObjectRef object;
  ObjectRef before;      // null on create
  kube::Amounts usage;   // of `object`
  kube::Amounts growth;  // beyond what `before` had; likewise, without it
  bool enforced = true;  // false: it only tells what is so already (a status), and is counted whatever the bounds
};
// What a claim was charged, by quota.
using QuotaCharge = std::map<std::string, kube::Amounts, std::less<>>;

// The charge of a claim against these quotas, which it is added to; or why not, without the words for the object.
Result<QuotaCharge> ChargeTo(std::vector<core::v1::ResourceQuota>& quotas, const QuotaClaim& claim);

class QuotaLedger : public std::enable_shared_from_this<QuotaLedger> {
 public:
  using Answer = Function<void(Result<QuotaCharge>)>;

  // Answers when the charge is durable, or refused; dropped when the core stops. On the core's strand.
  void Charge(std::shared_ptr<Core> core, std::string_view ns, QuotaClaim claim, Answer answer);
  // Takes a charge back, with the next write.
  void GiveBack(std::shared_ptr<Core> core, std::string_view ns, QuotaCharge charge);

 private:
  struct Waiter {
    QuotaClaim claim;
    Answer answer;
    Result<QuotaCharge> result = QuotaCharge();
  };
  struct Page {  // of a namespace
    std::vector<Waiter> waiting;
    std::vector<QuotaCharge> returned;
    bool busy = false;
  };
  class Round;
  void Wake(std::shared_ptr<Core> core, const std::string& ns);
  // What has come since the last round; false (and the namespace is idle) if nothing has.
  bool Take(const std::string& ns, Page& out);
  void Abandon(const std::string& ns);

  std::mutex mu_;
  std::map<std::string, Page, std::less<>> pages_;  // guarded by mu_
};

}  // namespace minikube::api
