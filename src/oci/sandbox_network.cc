// OciRuntime's dealings with the pod network: all of them in one queue, the blocking ones on a strand of their own.
#include <fmt/format.h>

#include "oci/oci_runtime.h"

namespace minikube::oci {
namespace {

constexpr std::chrono::seconds kRulesTimeout(30);

}  // namespace

// Brings the network up and gives sandbox `id` an address. What goes wrong is written into its message: a pod without a
// network still runs. With `id` "" only what recovery needs: the bridge, if some sandbox has an address.
void OciRuntime::JoinNetwork(const std::string& id, Task then) {
  if (!network_ || (!id.empty() && sandboxes_.at(id).record.config.host_network)) return then();
  network_queue_.Push([this, id, then = std::move(then)](Task finished) mutable {
    if (id.empty() && network_->idle()) {
      then();
      return finished();
    }
    Do<Status>(
        *network_worker_, [this] { return network_->Up(); },
        [this, id, then = std::move(then), finished = std::move(finished)](Status up) mutable {
          Task over = [then = std::move(then), finished = std::move(finished)] {
            finished();
            then();
          };
          TellNetwork([this, id, up = std::move(up), over = std::move(over)]() mutable {
            EnterNetwork(id, up, std::move(over));
          });
        });
  });
}

// Says that the network has come up or gone, if it has. `then` runs once whoever is told has made his arrangements.
void OciRuntime::TellNetwork(Task then) {
  const PodNetworkState state = network_->state();
  if (state.bridge == told_bridge_ || !network_changed_) return then();
  told_bridge_ = state.bridge;
  network_changed_(state, [post = strand_.Poster(), alive = std::weak_ptr(alive_), then = std::move(then)]() mutable {
    post([alive = std::move(alive), then = std::move(then)] {
      if (!alive.expired()) then();
    });
  });
}

void OciRuntime::EnterNetwork(const std::string& id, const Status& up, Task then) {
  const auto it = sandboxes_.find(id);
  std::string trouble = up.message();
  if (up.ok() && it != sandboxes_.end()) trouble = TakeAddress(it->second.record);
  if (!trouble.empty() && it != sandboxes_.end()) {
    it->second.record.message = fmt::format("no pod network, only loopback: {}", trouble);
  }
  if (!up.ok() || !network_->rules_stale()) return then();
  LoadRules(id, std::move(then));
}

// Gives the sandbox an address, and the machine's ports that it asks for. What is wrong; "" = nothing.
std::string OciRuntime::TakeAddress(SandboxRecord& record) {
  auto address = network_->Allocate();
  if (!address) return address.status().message();
  if (const Status bad = network_->Publish(record.config.id, *address, record.config.port_mappings); !bad.ok()) {
    network_->Release(*address);
    return bad.message();
  }
  record.ip = *address;
  return "";
}

// Puts the network's rules in force. What goes wrong is written into the message of sandbox `id`, if there is one.
void OciRuntime::LoadRules(const std::string& id, Task then) {
  Run(
      {"nft", "-f", "-"}, kRulesTimeout,
      [this, id, then = std::move(then)](Result<ProcessResult> result) {
        Status loaded = result.status();
        if (result.ok() && result->exit_code != 0) {
          loaded = Status(Code::kInternal, "nft: " + result->err.substr(0, result->err.find('\n')));
        }
        if (loaded.ok()) loaded = network_->RulesLoaded();
        const auto it = sandboxes_.find(id);
        if (!loaded.ok() && it != sandboxes_.end()) {
          it->second.record.message = fmt::format(
              "pods reach one another but nothing outside, and are not reached from there: {}", loaded.message());
        }
        then();
      },
      network_->Rules());
}

void OciRuntime::AttachNetwork(const std::string& id, Done<SandboxState> done) {
  const Sandbox& sandbox = sandboxes_.at(id);
  if (!sandbox.record.ip) return FinishSandbox(id, std::move(done));
  network_queue_.Push(
      [this, id, pid = sandbox.pause.pid, ip = *sandbox.record.ip, done = std::move(done)](Task finished) mutable {
        Do<Status>(
            *network_worker_, [this, id, pid, ip] { return network_->Attach(id, pid, ip); },
            [this, id, done = std::move(done), finished = std::move(finished)](Status attached) mutable {
              finished();
              if (attached.ok()) return FinishSandbox(id, std::move(done));
              SandboxRecord& record = sandboxes_.at(id).record;
              record.message = fmt::format("no pod network, only loopback: {}", attached.message());
              const Ipv4 address = *std::exchange(record.ip, std::nullopt);
              LeaveNetwork(id, address, [this, id, done = std::move(done)]() mutable {
                Do<Status>(
                    WorkerOf(id), [this, record = sandboxes_.at(id).record] { return workspace_.WriteHosts(record); },
                    [this, id, done = std::move(done)](Status written) mutable {
                      if (!written.ok()) return AbandonSandbox(id, written, std::move(done));
                      FinishSandbox(id, std::move(done));
                    });
              });
            });
      });
}

// Takes the interface and the address back; the last one out takes bridge and rules down.
void OciRuntime::LeaveNetwork(const std::string& id, Ipv4 ip, Task then) {
  network_queue_.Push([this, id, ip, then = std::move(then)](Task finished) mutable {
    struct Left {
      bool last = false;
    };
    Do<Left>(
        *network_worker_,
        [this, id, ip]() -> Left {
          // Its namespace is gone or going, and the interface with it: this only makes it sooner.
          const Status detached = network_->Detach(id);
          (void)detached;
          network_->Release(ip);
          network_->Unpublish(id);
          return {network_->idle() && network_->Down().ok()};
        },
        [this, then = std::move(then), finished = std::move(finished)](Left left) mutable {
          Task over = [then = std::move(then), finished = std::move(finished)] {
            finished();
            then();
          };
          TellNetwork([] {});
          if (!left.last && network_->rules_stale()) return LoadRules("", std::move(over));
          if (!left.last) return over();
          // Rules for a bridge that is not there match nothing; should nft fail, the next Up replaces them.
          Run(
              {"nft", "-f", "-"}, kRulesTimeout, [over = std::move(over)](Result<ProcessResult>) { over(); },
              network_->RemoveRules());
        });
  });
}

}  // namespace minikube::oci
