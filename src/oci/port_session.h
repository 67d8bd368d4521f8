// PortSession: a TCP connection to a port of a pod, made from within the pod's network (kubectl port-forward).
//
// Everything on the agent's strand; nothing blocks. Lifetime: env and strand outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <minikube/env.h>
#include <minikube/exec.h>

#include "oci/files.h"

namespace minikube::oci {

// Sockets of a pod's network that are not connected yet: they stay in it, whoever uses them.
struct PodSockets {
  UniqueFd v4;
  UniqueFd v6;  // empty where there is no IPv6
};

// Makes them in the network namespace of process `pid`; the calling thread is there meanwhile. Errors: kNotFound (the
// process has gone), kInternal.
Result<PodSockets> OpenPodSockets(int pid);

class PortSession final : public ExecStreams {
 public:
  // `where`: the pod, as messages name it.
  PortSession(Env& env, Strand& strand, std::uint16_t port, std::string where, ExecEvents events);
  ~PortSession() override;

  // Expires with the session: what comes back later asks it first.
  std::weak_ptr<const int> alive() const { return alive_; }
  // The sockets, or why there are none. Begins to connect.
  void Connect(Result<PodSockets> sockets);

  void Write(std::string data) override;
  void CloseInput() override;
  void Resize(TerminalSize) override {}
  void ReadOn() override;

 private:
  void Later(void (PortSession::*step)());
  void Watch(std::uint64_t& watch, FdEvent event, void (PortSession::*step)());
  // Connects by the next socket there is, or says why it cannot.
  void TryNext();
  void Connected();
  void Flush();
  void Read();
  void End(Result<int> result);

  Env& env_;
  Strand& strand_;
  const std::uint16_t port_;
  const std::string where_;
  ExecEvents events_;
  PodSockets sockets_;
  std::string trouble_;  // of attempts so far
  UniqueFd fd_;
  std::uint64_t read_watch_ = 0;
  std::uint64_t write_watch_ = 0;
  bool connected_ = false;
  bool closing_input_ = false;
  bool input_over_ = false;  // the pod takes no more
  bool paused_ = false;      // a piece of output is being dealt with
  std::string input_;
  const std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);
};

}  // namespace minikube::oci
