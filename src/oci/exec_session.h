// ExecSession: the host's ends of the standard streams of a command in a container. Its process has a monitor
// (exec_monitor.cc) that kills it when the session goes.
//
// Everything on the agent's strand; nothing blocks. Lifetime: env and strand outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <minikube/env.h>
#include <minikube/exec.h>

#include "oci/files.h"

namespace minikube::oci {

// What the monitor inherits: control socket, stdin, stdout, stderr; empty = none.
struct ExecDescriptors {
  std::array<UniqueFd, 4> fds;
};

class ExecSession final : public ExecStreams {
 public:
  // `theirs` gets the other ends, to be closed once the monitor has been started. Errors: kInternal (no descriptors
  // left).
  static Result<std::unique_ptr<ExecSession>> Open(Env& env, Strand& strand, const ExecSpec& spec, ExecEvents events,
                                                   ExecDescriptors& theirs);
  // Attaches to a container's own process, by the socket of its monitor (monitor/attachments.h). `spec.tty`: whether it
  // has a terminal. Errors: kUnavailable (the monitor does not answer, or takes no more), kInternal.
  static Result<std::unique_ptr<ExecSession>> Attach(Env& env, Strand& strand, const ExecSpec& spec, ExecEvents events,
                                                     const std::string& socket);
  // `tty`: the process' streams are a terminal, which comes over the control socket.
  ExecSession(Env& env, Strand& strand, bool tty, ExecEvents events);
  ~ExecSession() override;

  // Expires with the session: what comes back later asks it first.
  std::weak_ptr<const int> alive() const { return alive_; }

  // The monitor has ended. on_end follows when all output has been read.
  void Ended(Result<int> exit_code);
  // Has the process killed; the events go on until on_end.
  void Kill() { Close(control_); }

  void Write(std::string data) override;
  void CloseInput() override;
  void Resize(TerminalSize size) override;
  void ReadOn() override;

 private:
  struct End {
    UniqueFd fd;
    std::uint64_t watch = 0;
  };
  struct Output : End {
    OutputStream stream = OutputStream::kOut;
  };

  void Later(void (ExecSession::*step)());
  void Watch(End& end, FdEvent event, void (ExecSession::*step)());
  void Close(End& end);
  Status MakePipes(const ExecSpec& spec, ExecDescriptors& theirs);
  void TakeTerminal();
  void TakeWelcome();
  void Flush();
  void Taken(std::size_t bytes);
  void ReadOutputs();
  // False if there is nothing to read now.
  bool ReadFrom(Output& output);

  Env& env_;
  Strand& strand_;
  ExecEvents events_;
  End control_;
  End in_;
  UniqueFd in_reader_;  // see Open
  std::array<Output, 2> outputs_;
  std::size_t first_ = 0;  // the output to be read first
  const bool tty_;
  bool awaiting_terminal_;
  bool attached_ = false;  // through pipes, even to a terminal
  bool welcome_ = false;   // the monitor has said so
  UniqueFd terminal_;      // of an attached one, for its size
  bool closing_input_ = false;
  bool paused_ = false;  // a piece of output is being dealt with
  std::string input_;
  TerminalSize size_;
  std::optional<Result<int>> exit_code_;
  const std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);
};

}  // namespace minikube::oci
