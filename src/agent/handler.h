// A check or hook that a pod's spec names: a command in the container, an HTTP request, a TCP connection, a pause.
//
// Thread safety: the agent's strand. Destroying a RunningHandler ends it (a command in a container goes on, unheard).
#pragma once

#include <memory>
#include <string>

#include "agent/agent_context.h"
#include "agent/pod_util.h"

namespace minikube::agent {

// Either a probe's or a hook's; exactly one pointer is set in a valid spec.
struct HandlerSpec {
  const core::ExecAction* exec = nullptr;
  const core::HTTPGetAction* http_get = nullptr;
  const core::TCPSocketAction* tcp_socket = nullptr;
  const core::SleepAction* sleep = nullptr;
  const core::GRPCAction* grpc = nullptr;

  static HandlerSpec Of(const core::Probe& probe) {
    return {probe.exec.get(), probe.httpGet.get(), probe.tcpSocket.get(), nullptr, probe.grpc.get()};
  }
  static HandlerSpec Of(const core::LifecycleHandler& hook) {
    return {hook.exec.get(), hook.httpGet.get(), hook.tcpSocket.get(), hook.sleep.get(), nullptr};
  }
};

class RunningHandler {
 public:
  virtual ~RunningHandler() = default;
};

// `done` gets OK; kUnavailable: it failed, with what it said; kNotImplemented: this node cannot do it; other codes: it
// could not be tried. It is never called before this returns.
std::unique_ptr<RunningHandler> RunHandler(AgentContext& context, const HandlerSpec& spec,
                                           const core::Container& container, const std::string& container_id,
                                           const std::string& pod_ip, Duration timeout, Function<void(Status)> done);

// The number of a port given as number or by name. Errors: kBadRequest.
Result<int> PortOf(const core::Container& container, const IntOrString& port);

}  // namespace minikube::agent
