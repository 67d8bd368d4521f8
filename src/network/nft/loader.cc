#include "network/nft/loader.h"

#include <algorithm>
#include <utility>

namespace minikube::network {
namespace {

constexpr std::chrono::seconds kTimeout(120);
constexpr Duration kFirstWait = std::chrono::seconds(1);
constexpr Duration kLongestWait = std::chrono::seconds(60);

}  // namespace

Loader::Loader(Table& table, Env& env, Strand& strand, Logger log)
    : table_(table), env_(env), strand_(strand), log_(std::move(log)) {}

void Loader::Poke() {
  if (running_ || ended_ || retry_ != 0 || !table_.changed()) return;
  running_ = true;
  Run(table_.TakeChanges(), [this](const Status& status) { Finished(status); });
}

void Loader::Run(std::string text, Function<void(Status)> done) {
  ProcessSpec spec;
  spec.argv = {"nft", "-f", "-"};
  spec.env = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}};
  spec.stdin_data = std::move(text);
  spec.timeout = kTimeout;
  env_.processes().Run(std::move(spec), strand_,
                       [alive = std::weak_ptr(alive_), done = std::move(done)](Result<ProcessResult> result) mutable {
                         if (alive.expired()) return;
                         Status status = result.status();
                         if (result.ok() && result->exit_code != 0) {
                           status = Status(Code::kInternal, result->err.substr(0, result->err.find('\n')));
                         }
                         done(std::move(status));
                       });
}

void Loader::Finished(const Status& status) {
  running_ = false;
  if (ended_) return Remove(std::exchange(then_remove_, Task()));
  if (status.ok()) {
    if (failures_ != 0) log_.Info("rules are in force again", {{"table", table_.name()}});
    failures_ = 0;
    if (loaded_) loaded_();
    Poke();
    if (!running_) TellWaiting();
    return;
  }
  TellWaiting();
  table_.Forget();
  ++failures_;
  const Duration wait = std::min(kFirstWait * (1 << std::min(failures_ - 1, 6)), kLongestWait);
  log_.Warning("rules could not be loaded; trying again",
               {{"table", table_.name()}, {"error", status.message()}, {"failures", std::to_string(failures_)}});
  retry_ = strand_.After(wait, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    retry_ = 0;
    Poke();
  });
}

void Loader::AfterLoad(Task task) {
  if (!running_ && (retry_ != 0 || ended_ || !table_.changed())) return task();
  waiting_.push_back(std::move(task));
}

void Loader::TellWaiting() {
  for (const Task& task : std::exchange(waiting_, {})) task();
}

void Loader::Remove(Task done) {
  ended_ = true;
  TellWaiting();
  if (running_) {
    then_remove_ = std::move(done);
    return;
  }
  if (retry_ != 0) strand_.Cancel(std::exchange(retry_, 0));
  Run(table_.Removal(), [done = std::move(done)](const Status&) { done(); });
}

}  // namespace minikube::network
